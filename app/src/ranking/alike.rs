//! Texts that repeat each other.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use super::scan::{Token, tokens};

/// Neighbouring words that are compared together, as one run.
const SHINGLE: usize = 3;

/// A text repeats another if so much of it stands there too, word after word.
const REPEATED: f64 = 0.9;

/// The words of a text, for comparing.
#[derive(Clone, Debug)]
pub struct Shingles {
    words: HashSet<String>,
    /// Numbers and names: a text that has one more says something else.
    marks: Vec<String>,
    runs: HashSet<u64>,
}

impl Shingles {
    /// Takes a text apart.
    pub fn new(text: &str) -> Self {
        let mut words = Vec::new();
        let mut marks = Vec::new();
        for token in tokens(text) {
            let (Token::Word(written) | Token::Number(written) | Token::Name(written) | Token::Pair(written)) =
                token;
            let word = written.to_lowercase();
            if !matches!(token, Token::Word(_) | Token::Pair(_)) || word.contains(char::is_numeric) {
                marks.push(word.clone());
            }
            words.push(word);
        }
        let runs = words.windows(SHINGLE.min(words.len().max(1))).map(hash).collect();
        Self { words: words.into_iter().collect(), marks, runs }
    }

    /// Whether this text says next to nothing that the other does not say: almost all of it
    /// stands there in the same words, and every number and name of it.
    pub fn repeat(&self, other: &Self) -> bool {
        if !self.marks.iter().all(|mark| other.words.contains(mark)) {
            return false;
        }
        let shared = self.runs.intersection(&other.runs).count();
        share(shared, self.runs.len()) >= REPEATED
    }
}

fn hash(words: &[String]) -> u64 {
    let mut hasher = DefaultHasher::new();
    words.hash(&mut hasher);
    hasher.finish()
}

#[expect(clippy::cast_precision_loss, reason = "texts have far fewer than 2^52 words")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "The fund held 40 positions at the end of the year, and its manager said that the largest of them, \
                        ACME-7, would be sold in the first quarter unless the price rose above its target again.";

    fn repeats(text: &str) -> bool {
        Shingles::new(text).repeat(&Shingles::new(TEXT))
    }

    #[test]
    fn a_part_and_another_typography_repeat() {
        assert!(repeats(TEXT));
        assert!(repeats(&TEXT.to_uppercase().replace(", ", " \u{2013} ")));
        assert!(repeats(
            "and its manager said that the largest of them, ACME-7, would be sold in the first quarter"
        ));
        assert!(repeats(""));
    }

    #[test]
    fn another_number_name_or_statement_does_not() {
        assert!(!repeats(&TEXT.replace("40", "41")));
        assert!(!repeats(&TEXT.replace("ACME-7", "ACME-8")));
        assert!(!repeats(
            "its manager said that nothing would be sold before the price fell below its target"
        ));
        assert!(
            !Shingles::new(TEXT).repeat(&Shingles::new("The fund held 40 positions at the end of the year"))
        );
    }
}
