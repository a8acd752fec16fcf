//! BM25: how well a text answers a question's words.
//!
//! `score = Σ idf · tf / (tf + k1 · (1 − b + b · length / mean length))` over the
//! question's words, repeated ones as often as they are repeated, with
//! `idf = ln(1 + (N − n + ½) / (n + ½))` over N texts of which n hold the word
//! (Robertson and Spärck Jones; the form of idf is Lucene's, which is never
//! negative). A word under one of its forms is the word.

use std::collections::HashMap;

use uuid::Uuid;

use super::keys;
use super::words::{self, Asked};

/// What the formula leaves open.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Parameters {
    /// How fast repetitions of a word stop counting, 0 and more.
    pub k1: f64,
    /// How much the length of a text counts, 0 to 1.
    pub b: f64,
}

/// A question among the texts of some audiences.
#[derive(Clone, Debug)]
pub struct Question {
    words: Vec<Word>,
    places: HashMap<u32, usize>,
    sieve: Sieve,
}

/// Which last bytes the words' numbers have: most words of a text are none of the
/// question's, and this says so at once.
#[derive(Clone, Copy, Debug)]
struct Sieve([bool; 256]);

impl Sieve {
    fn of<'a>(numbers: impl Iterator<Item = &'a u32>) -> Self {
        let mut sieve = Self([false; 256]);
        numbers.for_each(|number| sieve.0[usize::from(number.to_be_bytes()[3])] = true);
        sieve
    }

    fn may_hold(&self, number: u32) -> bool {
        self.0[usize::from(number.to_be_bytes()[3])]
    }
}

#[derive(Clone, Debug)]
struct Word {
    text: String,
    keys: Vec<i64>,
    times: u32,
}

impl Question {
    /// Takes a question apart.
    pub fn new(text: &str, audiences: &[Uuid]) -> Self {
        let words: Vec<Word> =
            words::of_question(text).into_iter().map(|asked| Word::new(asked, audiences)).collect();
        let places: HashMap<u32, usize> = words
            .iter()
            .enumerate()
            .flat_map(|(place, word)| word.keys.iter().map(move |&key| (keys::short(key), place)))
            .collect();
        Self { sieve: Sieve::of(places.keys()), words, places }
    }

    /// Whether there is nothing to look for.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The places of the words that texts are found by; the others only name sources.
    pub fn counted(&self) -> impl Iterator<Item = usize> {
        (0..self.words.len()).filter(|&place| self.words[place].times > 0)
    }

    /// How many different words there are.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// The word at a place, in its first form.
    pub fn word(&self, place: usize) -> &str {
        &self.words[place].text
    }

    /// Under which keys the word at a place is stored.
    pub fn keys(&self, place: usize) -> &[i64] {
        &self.words[place].keys
    }

    /// Which of the question's words a text has.
    pub fn occurrences(&self, sequence: &[u8]) -> Occurrences {
        let mut times = vec![0; self.words.len()];
        let sequence = keys::read(sequence);
        let length = sequence.len();
        for word in sequence.filter(|word| self.sieve.may_hold(*word)) {
            if let Some(&place) = self.places.get(&word) {
                times[place] += 1;
            }
        }
        Occurrences { times, length }
    }
}

impl Word {
    fn new(asked: Asked, audiences: &[Uuid]) -> Self {
        let keys = audiences
            .iter()
            .flat_map(|audience| asked.forms.iter().map(|form| keys::of_word(*audience, form)))
            .collect();
        let text = asked.forms.into_iter().next().unwrap_or_default();
        Self { text, keys, times: asked.times }
    }
}

/// The words of a question in a text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Occurrences {
    /// How often each word of the question occurs.
    pub times: Vec<u32>,
    /// How many words the text has.
    pub length: usize,
}

/// The texts that are searched, as far as a question asks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Statistics {
    /// How many texts there are.
    pub texts: f64,
    /// How many words they have together.
    pub words: f64,
    /// How many of them hold each word of the question.
    pub holding: Vec<f64>,
}

impl Statistics {
    /// Counted over all texts there are.
    pub fn counted(question: &Question, texts: &[Occurrences]) -> Self {
        let mut counted = Self { holding: vec![0.0; question.len()], ..Self::default() };
        for text in texts {
            counted.texts += 1.0;
            counted.words += number(text.length);
            for (holding, &times) in counted.holding.iter_mut().zip(&text.times) {
                *holding += f64::from(u8::from(times > 0));
            }
        }
        counted
    }
}

/// A question with the weight that each of its words has among the texts that are searched.
#[derive(Clone, Debug)]
pub struct Bm25 {
    parameters: Parameters,
    mean_length: f64,
    /// Inverse document frequency and repetitions in the question.
    weights: Vec<(f64, f64)>,
}

impl Bm25 {
    /// Weighs a question's words.
    pub fn new(question: &Question, statistics: &Statistics, parameters: Parameters) -> Self {
        let texts = statistics.texts;
        let weight = |(word, &holding): (&Word, &f64)| {
            // Forms of a word in one text are counted twice.
            let holding = holding.clamp(0.0, texts);
            ((1.0 + (texts - holding + 0.5) / (holding + 0.5)).ln(), f64::from(word.times))
        };
        let weights = question.words.iter().zip(&statistics.holding).map(weight).collect();
        let mean_length = if texts > 0.0 { (statistics.words / texts).max(1.0) } else { 1.0 };
        Self { parameters, mean_length, weights }
    }

    /// The score of a text, 0 and more.
    pub fn score(&self, text: &Occurrences) -> f64 {
        let Parameters { k1, b } = self.parameters;
        let saturation = k1 * (1.0 - b + b * number(text.length) / self.mean_length);
        let words = self.weights.iter().zip(&text.times).filter(|(_, times)| **times > 0);
        words
            .map(|((idf, asked), &times)| {
                let times = f64::from(times);
                asked * idf * times / (times + saturation)
            })
            .sum()
    }

    /// What no score exceeds: all words, without end.
    pub fn limit(&self) -> f64 {
        self.weights.iter().map(|(idf, asked)| idf * asked).sum()
    }

    /// Inverse document frequency of the word at a place.
    pub fn idf(&self, place: usize) -> f64 {
        self.weights[place].0
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts of words are far below 2^52")]
fn number(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ranking::keys::Stored;

    const PARAMETERS: Parameters = Parameters { k1: 1.2, b: 0.75 };

    fn scores(question: &str, texts: &[&str]) -> (Vec<f64>, f64) {
        let audience = Uuid::from_u128(1);
        let question = Question::new(question, &[Uuid::nil(), audience]);
        let found: Vec<Occurrences> = texts
            .iter()
            .map(|text| question.occurrences(&Stored::new(audience, &words::of_text(text)).sequence))
            .collect();
        let bm25 = Bm25::new(&question, &Statistics::counted(&question, &found), PARAMETERS);
        (found.iter().map(|text| bm25.score(text)).collect(), bm25.limit())
    }

    #[test]
    fn golden_scores() {
        // By hand: N = 3, mean length 2; "bond" in 2 texts, "tax" in 1.
        let (scores, limit) = scores("bonds tax", &["bond bond bond", "bond tax", "share"]);
        let idf = |n: f64| (1.0 + (3.0 - n + 0.5) / (n + 0.5)).ln();
        let saturation = |length: f64| 1.2 * (0.25 + 0.75 * length / 2.0);
        let first = idf(2.0) * 3.0 / (3.0 + saturation(3.0));
        let second = (idf(2.0) + idf(1.0)) / (1.0 + saturation(2.0));
        for (score, expected) in scores.iter().zip([first, second, 0.0]) {
            assert!((score - expected).abs() < 1e-12, "{score} {expected}");
        }
        assert!((limit - idf(2.0) - idf(1.0)).abs() < 1e-12);
    }

    #[test]
    fn common_words_weigh_little_and_repetitions_count_in_the_question() {
        let texts = ["market bond", "market share", "market tax"];
        let (common, _) = scores("market", &texts);
        let (rare, _) = scores("bond", &texts);
        assert!(common[0] > 0.0 && common[0] < rare[0]);
        let (twice, _) = scores("bond bond", &texts);
        assert!((twice[0] - 2.0 * rare[0]).abs() < 1e-12);
    }

    #[test]
    fn nothing_is_found_in_nothing() {
        let (scores, limit) = scores("bond", &[]);
        assert!(scores.is_empty() && limit > 0.0);
        assert!(super::Question::new("what is it", &[Uuid::nil()]).is_empty());
    }
}
