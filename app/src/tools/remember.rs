//! `remember`: only what stands in the user's own message of this turn.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;
use unicode_normalization::UnicodeNormalization;
use utoipa::ToSchema;

use super::registry::Tool;
use super::report::Found;
use super::{Caller, ToolError};
use crate::memory::{self, Said};

/// Words before a fact that would turn it around.
const NEGATIONS: [&str; 13] = [
    "not", "no", "never", "don't", "doesn't", "didn't", "isn't", "nicht", "kein", "keine", "nie", "pas",
    "jamais",
];
/// How far before a fact they are looked for, in words.
const NEGATION_WORDS: usize = 3;

/// Stores a fact.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Remember {
    /// The fact, word for word as the user put it in the last message.
    #[garde(length(chars, min = 1, max = 500))]
    #[schema(min_length = 1, max_length = 500)]
    fact: String,
}

impl Tool for Remember {
    const NAME: &'static str = "remember";
    const DESCRIPTION: &'static str = "Stores a lasting fact about the user that the user stated in the last message. Give the user's own words, unchanged; anything else is refused.";

    const SCOPES: &'static [&'static str] = &["memory:write"];
    const READS_ONLY: bool = false;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let Some(turn) = &caller.turn else {
            return Err(refused("there is no message of the user's"));
        };
        let fact = folded(&self.fact);
        if !stands_in(&fact, &folded(&turn.said)) {
            return Err(refused("only what the user's last message says, word for word, is remembered"));
        }
        let words = memorable(&self.fact)?;
        let said_in = Said {
            conversation_id: turn.conversation_id,
            generation: turn.generation,
            message_id: turn.user_message_id,
        };
        let id = memory::remember(&caller.state, &caller.user, caller.pair, &words, said_in).await?;
        Ok(Found {
            data: json!({ "id": id, "remembered": words }),
            applied: json!({ "fact": words }),
            record: json!({ "id": id }),
            notice: Some(json!({ "code": "memory_saved", "memory_id": id })),
            ..Found::default()
        })
    }
}

/// The words of a fact; refused if they say nothing or look like a secret.
pub(super) fn memorable(fact: &str) -> Result<String, ToolError> {
    let words: String = fact.nfc().collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    let words = memory::memorable(&words).map(str::to_owned);
    words.ok_or_else(|| refused("this is nothing to remember: empty, or it looks like a secret"))
}

fn refused(message: &str) -> ToolError {
    ToolError::new("refused", message)
}

/// Letter case, kind of apostrophe and white space aside.
fn folded(text: &str) -> String {
    let text: String =
        text.nfc().collect::<String>().to_lowercase().replace(['\u{2019}', '\u{2018}', '\u{2bc}'], "'");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Whether the fact is a run of whole words of the message that nothing just
/// before turns around.
fn stands_in(fact: &str, said: &str) -> bool {
    let fact = fact.trim_matches(|c: char| c.is_whitespace() || matches!(c, '.' | '!' | ',' | ';' | '"'));
    let is_bounded = |at: usize| {
        let before = said[..at].chars().next_back();
        let mut after = said[at + fact.len()..].chars();
        let ends = match after.next() {
            None => true,
            Some(c) if c.is_whitespace() => true,
            Some('.' | ',' | ';' | ':' | '!' | '"' | ')') => !after.next().is_some_and(char::is_alphanumeric),
            Some(_) => false,
        };
        before.is_none_or(|c| c.is_whitespace() || matches!(c, '"' | '(' | ':' | '\u{201c}')) && ends
    };
    !fact.is_empty() && said.match_indices(fact).any(|(at, _)| is_bounded(at) && !is_negated(&said[..at]))
}

fn is_negated(before: &str) -> bool {
    let sentence = before.rsplit(['.', '!', '?', ';']).next().unwrap_or(before);
    sentence
        .split_whitespace()
        .rev()
        .take(NEGATION_WORDS)
        .any(|word| NEGATIONS.contains(&word.trim_matches(|c: char| !c.is_alphanumeric() && c != '\'')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_a_run_of_the_users_words() {
        let said = folded(
            "Hi! I prefer  Euros, and my limit is -1.5 %. It is not true that I hold tobacco. I don’t like gold",
        );
        for fact in [
            "I prefer euros",
            "my limit is -1.5 %.",
            "I don't like gold",
            "It is not true that I hold tobacco",
        ] {
            assert!(stands_in(&folded(fact), &said), "{fact}");
        }
        for fact in [
            "I prefer dollars",
            "prefer euro",
            "my limit is -1",
            "1.5 %",
            "I hold tobacco",
            "like gold",
            "",
            ".",
            "I prefer euros, my limit is -1.5 %",
            "limit I prefer",
        ] {
            assert!(!stands_in(&folded(fact), &said), "{fact}");
        }
    }
}
