//! Counting tokens: by the model's own encoding where it is known, else by an
//! [estimate](super::estimate) from above.
//!
//! Encodings are tables of 100,000 and 200,000 tokens. One takes 20 to 50 MB of
//! memory and a part of a second to build, so it is built when a model that has
//! it is first asked, by a thread of its own; until then tokens are estimated.

use std::collections::HashSet;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tiktoken_rs::CoreBPE;
use tiktoken_rs::tokenizer::{Tokenizer, get_tokenizer};

use super::estimate;

/// Longer texts, in bytes, are estimated: counting takes 40 ms for as much of
/// the worst kind, and a reader of the prompt waits for it.
const COUNTED_BYTES_MAX: usize = 32_000;

/// Ways of counting: by an encoding, or by estimate.
pub(super) const COUNTERS: usize = 3;

/// An encoding that is built when it is needed.
struct Encoding {
    name: &'static str,
    /// Among the [`COUNTERS`]; the first is the estimate.
    place: usize,
    build: fn() -> Result<CoreBPE, String>,
    is_asked_for: AtomicBool,
    built: OnceLock<CoreBPE>,
}

static O200K: Encoding = Encoding {
    name: "o200k_base",
    place: 1,
    build: || tiktoken_rs::o200k_base().map_err(|error| error.to_string()),
    is_asked_for: AtomicBool::new(false),
    built: OnceLock::new(),
};

static CL100K: Encoding = Encoding {
    name: "cl100k_base",
    place: 2,
    build: || tiktoken_rs::cl100k_base().map_err(|error| error.to_string()),
    is_asked_for: AtomicBool::new(false),
    built: OnceLock::new(),
};

impl Encoding {
    /// The encoding of a model, if it is known.
    fn of(model: &str) -> Option<&'static Self> {
        // Routers put the maker before the name.
        let name = model.strip_prefix("openai/").unwrap_or(model);
        match get_tokenizer(name)? {
            // They differ in special tokens only, and none is counted here.
            Tokenizer::O200kBase | Tokenizer::O200kHarmony => Some(&O200K),
            Tokenizer::Cl100kBase => Some(&CL100K),
            Tokenizer::P50kBase | Tokenizer::R50kBase | Tokenizer::P50kEdit | Tokenizer::Gpt2 => None,
        }
    }

    /// Itself, if its table is built; else it will be.
    fn ready(&'static self) -> Option<&'static Self> {
        if self.built.get().is_some() {
            return Some(self);
        }
        if !self.is_asked_for.swap(true, Ordering::Relaxed) {
            let work = move || match (self.build)() {
                Ok(built) => drop(self.built.set(built)),
                Err(error) => tracing::warn!(error, encoding = self.name, "tokens are estimated"),
            };
            let started = std::thread::Builder::new().name("encoding".to_owned()).spawn(work);
            if let Err(error) = started {
                tracing::warn!(%error, encoding = self.name, "tokens are estimated");
            }
        }
        None
    }
}

/// Counts the tokens of texts for one model.
#[derive(Clone, Copy, Default)]
pub struct Counter(Option<&'static Encoding>);

impl std::fmt::Debug for Counter {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(if self.is_exact() { "Counter(exact)" } else { "Counter(estimate)" })
    }
}

impl Counter {
    /// For a model by its name. Never waits.
    pub fn of(model: &str) -> Self {
        Self(Encoding::of(model).and_then(Encoding::ready))
    }

    /// Whether texts are counted, not estimated.
    pub fn is_exact(self) -> bool {
        self.0.is_some()
    }

    /// Which way of counting it is.
    pub(super) fn place(self) -> usize {
        self.0.map_or(0, |encoding| encoding.place)
    }

    /// Tokens of a text.
    pub fn tokens(self, text: &str) -> usize {
        self.exactly(text).unwrap_or_else(|| estimate::tokens(text))
    }

    /// The same; an estimate with a tenth more.
    pub fn tokens_with_margin(self, text: &str) -> usize {
        self.exactly(text).unwrap_or_else(|| with_margin(estimate::tokens(text)))
    }

    /// A sum of [`Counter::tokens`]; of estimates a tenth more.
    pub fn add_margin(self, tokens: usize) -> usize {
        if self.is_exact() { tokens } else { with_margin(tokens) }
    }

    fn exactly(self, text: &str) -> Option<usize> {
        let encoding = self.0.filter(|_| text.len() <= COUNTED_BYTES_MAX)?.built.get()?;
        // None, if the text is more than its expressions can take.
        encoding.count(text, &HashSet::new()).ok()
    }
}

fn with_margin(tokens: usize) -> usize {
    tokens * 11 / 10
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn built(model: &str) -> Counter {
        let until = Instant::now() + Duration::from_mins(2);
        loop {
            let counter = Counter::of(model);
            if counter.is_exact() {
                return counter;
            }
            assert!(Instant::now() < until, "the encoding of {model} was not built");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    #[test]
    fn known_models_are_counted_by_their_own_encoding_and_others_estimated() {
        // As OpenAI's own tokenizer counts.
        let text = "tiktoken is great! 日本語 1234567";
        for model in ["gpt-4o-mini", "openai/gpt-4.1", "gpt-5", "o3", "gpt-oss-20b"] {
            assert_eq!(built(model).tokens("tiktoken is great!"), 6, "{model}");
        }
        assert_eq!(built("gpt-3.5-turbo").tokens("antidisestablishmentarianism"), 6);
        assert_eq!(built("gpt-4o").tokens("antidisestablishmentarianism"), 6);
        assert_eq!(built("gpt-4o").tokens_with_margin(text), built("gpt-4o").tokens(text));
        for model in ["llama3.1:8b", "extractive", "scripted", "anthropic/claude", "gpt2", ""] {
            let counter = Counter::of(model);
            assert!(!counter.is_exact(), "{model}");
            assert_eq!(counter.tokens(text), estimate::tokens(text), "{model}");
            assert!(counter.tokens_with_margin(text) >= counter.tokens(text));
        }
    }

    #[test]
    fn an_estimate_is_seldom_below_the_count_and_hostile_texts_cost_little() {
        let counter = built("gpt-4o");
        let prose =
            "A bond's price falls when its yield rises; how much, its duration tells (5.2 years, say).";
        assert!(estimate::tokens(prose) >= counter.tokens(prose));
        let texts = [
            "a".repeat(31_999),
            " ".repeat(31_999),
            " \n".repeat(15_999),
            "😀".repeat(7_999),
            "x1!".repeat(9_999),
        ];
        for text in texts {
            let began = Instant::now();
            assert!(counter.tokens(&text) > 0);
            assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        }
        // A longer one is estimated.
        assert_eq!(counter.tokens(&"a".repeat(32_001)), estimate::tokens(&"a".repeat(32_001)));
    }
}
