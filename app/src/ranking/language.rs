//! What language a text is in, as far as its words are treated differently.

use std::collections::HashSet;
use std::sync::LazyLock;

use snowball_stemmers_rs::{Algorithm, Stemmer};
use whatlang::Lang;

/// Bytes of a text that are looked at, and letters it must have to be told from English.
const LOOKED_AT: usize = 1000;
const LETTERS_MIN: usize = 40;

/// Longer words are no words of a language, and stay as they are.
const STEMMED_MAX: usize = 40;

/// English words that say nothing about what a text is about.
const STOP_WORDS: &[&str] = &[
    // Articles, pointers, quantities.
    "a",
    "an",
    "the",
    "this",
    "that",
    "these",
    "those",
    "all",
    "any",
    "both",
    "each",
    "few",
    "more",
    "most",
    "other",
    "some",
    "such",
    "only",
    "own",
    "same",
    "no",
    "not",
    "nor",
    "now",
    "just",
    "very",
    "too",
    "so",
    "than",
    "then",
    "once",
    "here",
    "there",
    "again",
    "further", // Pronouns.
    "i",
    "me",
    "my",
    "myself",
    "we",
    "us",
    "our",
    "ours",
    "ourselves",
    "you",
    "your",
    "yours",
    "yourself",
    "yourselves",
    "he",
    "him",
    "his",
    "himself",
    "she",
    "her",
    "hers",
    "herself",
    "it",
    "its",
    "itself",
    "they",
    "them",
    "their",
    "theirs",
    "themselves", // Questions.
    "what",
    "which",
    "who",
    "whom",
    "when",
    "where",
    "why",
    "how", // Verbs that help others.
    "am",
    "is",
    "are",
    "was",
    "were",
    "be",
    "been",
    "being",
    "have",
    "has",
    "had",
    "having",
    "do",
    "does",
    "did",
    "doing",
    "can",
    "will",
    "should",
    "don", // Joints and places.
    "and",
    "but",
    "if",
    "or",
    "because",
    "as",
    "until",
    "while",
    "of",
    "at",
    "by",
    "for",
    "with",
    "about",
    "against",
    "between",
    "into",
    "through",
    "during",
    "before",
    "after",
    "above",
    "below",
    "to",
    "from",
    "up",
    "down",
    "in",
    "out",
    "on",
    "off",
    "over",
    "under", // What apostrophes leave.
    "s",
    "t",
];

static STOPPED: LazyLock<HashSet<&str>> = LazyLock::new(|| STOP_WORDS.iter().copied().collect());

/// How a text's words are treated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Language {
    /// Endings are taken off, words that say nothing are left out.
    English,
    /// Words stay as they are, in lower case.
    Other,
}

impl Language {
    /// English, unless a text is long enough to be sure that it is not.
    pub(super) fn of(text: &str) -> Self {
        let end = text.floor_char_boundary(LOOKED_AT);
        let looked_at = &text[..end];
        if looked_at.chars().filter(|letter| letter.is_alphabetic()).take(LETTERS_MIN).count() < LETTERS_MIN {
            return Self::English;
        }
        match whatlang::detect(looked_at) {
            Some(found) if found.lang() != Lang::Eng && found.is_reliable() => Self::Other,
            _ => Self::English,
        }
    }
}

/// Whether a word in lower case says nothing in English.
pub(super) fn is_stop_word(word: &str) -> bool {
    STOPPED.contains(word)
}

/// A word in lower case without its English endings (Snowball's "English", Porter2).
pub(super) fn stem(word: &str) -> String {
    if word.len() > STEMMED_MAX || !word.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return word.to_owned();
    }
    Stemmer::create(Algorithm::English).stem(word).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_go_as_porter2_says() {
        for (word, stemmed) in [
            ("correlations", "correl"),
            ("revenues", "revenu"),
            ("paying", "pay"),
            ("2017", "2017"),
            ("größen", "größen"),
        ] {
            assert_eq!(stem(word), stemmed);
        }
    }

    #[test]
    fn only_a_text_that_is_surely_not_english_is_treated_otherwise() {
        let german =
            "Die Zinsen auf die Anleihe werden jährlich gezahlt, und der Preis richtet sich nach dem Markt.";
        assert_eq!(Language::of(german), Language::Other);
        let english = "The interest on the bond is paid every year, and its price follows the market.";
        assert_eq!(Language::of(english), Language::English);
        assert_eq!(Language::of("Umsatz 2019"), Language::English, "too short to be sure");
        assert_eq!(Language::of("| 2019 | 2018 |\n| 1,452.4 | 1,146.2 |"), Language::English);
    }
}
