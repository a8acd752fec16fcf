//! Words that carry meaning, in a form in which their variants meet.

use std::collections::BTreeSet;

const STOP_WORDS: &[&str] = &[
    "a", "about", "after", "all", "also", "am", "an", "and", "any", "are", "as", "at", "be", "because",
    "been", "but", "by", "can", "could", "did", "do", "does", "for", "from", "had", "has", "have", "he",
    "her", "his", "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "no", "not", "of", "on",
    "or", "our", "s", "she", "should", "so", "some", "t", "tell", "than", "that", "the", "their", "them",
    "then", "there", "these", "they", "this", "those", "to", "us", "was", "we", "were", "what", "when",
    "where", "which", "who", "whom", "whose", "why", "will", "with", "would", "you", "your",
];

/// Longest first, so that the longest that fits is taken off.
const ENDINGS: [&str; 23] = [
    "ization", "ations", "ation", "ating", "ingly", "ement", "ments", "ated", "ator", "edly", "ment", "ions",
    "ate", "ied", "ies", "ing", "ion", "ed", "er", "ie", "ly", "e", "y",
];

/// The distinct terms of a text. Ordered, so that nothing depends on hashing.
pub(super) fn terms(text: &str) -> BTreeSet<String> {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .filter(|word| !STOP_WORDS.contains(&word.as_str()))
        .map(|word| stem(&word).to_owned())
        .collect()
}

/// Takes off the common English endings. It only has to do the same to
/// question and passage, not to find the dictionary's form.
fn stem(word: &str) -> &str {
    const SHORTEST: usize = 4;
    if !word.is_ascii() || word.bytes().any(|byte| byte.is_ascii_digit()) {
        return word;
    }
    let word = match word {
        word if word.ends_with("ss") || word.ends_with("us") || word.ends_with("is") => word,
        word => word.strip_suffix('s').filter(|stem| stem.len() >= SHORTEST - 1).unwrap_or(word),
    };
    let stem = ENDINGS
        .into_iter()
        .find_map(|suffix| word.strip_suffix(suffix).filter(|stem| stem.len() >= SHORTEST));
    stem.unwrap_or(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variants_meet() {
        for (one, other) in [
            ("correlations", "correlated"),
            ("measures", "measuring"),
            ("portfolios", "portfolio"),
            ("volatilities", "volatility"),
        ] {
            assert_eq!(stem(one), stem(other), "{one} {other}");
        }
    }

    #[test]
    fn numbers_and_foreign_words_stay() {
        assert_eq!(stem("2019s"), "2019s");
        assert_eq!(stem("größe"), "größe");
    }

    #[test]
    fn stop_words_carry_nothing() {
        assert!(terms("What is the how of it?").is_empty());
    }
}
