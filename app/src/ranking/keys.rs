//! Words as numbers.
//!
//! The index over words holds no words: each is a hash of the word together
//! with the audience of its text. Whoever does not read for an audience cannot
//! ask for its words, two audiences never share a list, and counting the texts
//! that hold a word is counting one number.

use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The key of a word in the texts of an audience: the first 8 bytes of SHA-256
/// over the audience's 16 bytes and the word's UTF-8, big-endian.
pub fn of_word(audience: Uuid, word: &str) -> i64 {
    let digest = Sha256::new().chain_update(audience.as_bytes()).chain_update(word).finalize();
    let mut first = [0; 8];
    first.copy_from_slice(&digest[..8]);
    i64::from_be_bytes(first)
}

/// The key that every text of an audience has: how many texts there are, and
/// how long they are together, is counted like a word.
pub fn of_audience(audience: Uuid) -> i64 {
    of_word(audience, "")
}

/// The key of a value at a path of a text's metadata. No word begins with the byte that sets these apart.
pub fn of_field(audience: Uuid, path: &str, value: &str) -> i64 {
    of_word(audience, &format!("\0{path}\0{value}"))
}

/// What stands for a word in a text's row: the lower half of its key. Within one
/// text that is as good as the key.
pub fn short(key: i64) -> u32 {
    let bytes = key.to_be_bytes();
    u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]])
}

/// The words of a text as they are stored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored {
    /// The keys of its different words and of its audience, ascending.
    pub keys: Vec<i64>,
    /// Its words in their order, [`short`], each 4 bytes, big-endian.
    pub sequence: Vec<u8>,
}

impl Stored {
    /// With keys of something else that texts are found by.
    #[must_use]
    pub fn found_by(mut self, keys: impl IntoIterator<Item = i64>) -> Self {
        self.keys.extend(keys);
        self.keys.sort_unstable();
        self.keys.dedup();
        self
    }

    /// From the words of a text of an audience.
    pub fn new(audience: Uuid, words: &[String]) -> Self {
        let mut keys: Vec<i64> = words.iter().map(|word| of_word(audience, word)).collect();
        let sequence = keys.iter().flat_map(|key| short(*key).to_be_bytes()).collect();
        keys.push(of_audience(audience));
        keys.sort_unstable();
        keys.dedup();
        Self { keys, sequence }
    }
}

/// A stored sequence, word by word.
pub fn read(sequence: &[u8]) -> impl ExactSizeIterator<Item = u32> {
    sequence.chunks_exact(4).map(|word| u32::from_be_bytes([word[0], word[1], word[2], word[3]]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_keys() {
        // What is stored is found by these for good.
        assert_eq!(of_word(Uuid::nil(), "bond"), GOLDEN_BOND);
        assert_eq!(of_audience(Uuid::from_u128(1)), GOLDEN_AUDIENCE);
    }

    const GOLDEN_BOND: i64 = -3_121_914_345_437_092_029;
    const GOLDEN_AUDIENCE: i64 = 8_952_255_631_054_521_211;

    #[test]
    fn audiences_share_no_key() {
        assert_ne!(of_word(Uuid::from_u128(1), "bond"), of_word(Uuid::from_u128(2), "bond"));
        assert_ne!(of_field(Uuid::nil(), "a", "bc"), of_field(Uuid::nil(), "ab", "c"));
    }

    #[test]
    fn a_text_is_stored_with_its_keys_and_its_order() {
        let audience = Uuid::from_u128(7);
        let words = ["bond", "pay", "bond"].map(str::to_owned);
        let stored = Stored::new(audience, &words);
        assert!(stored.keys.is_sorted() && stored.keys.len() == 3);
        assert!(stored.keys.contains(&of_audience(audience)));
        let expected: Vec<u32> = words.iter().map(|word| short(of_word(audience, word))).collect();
        assert_eq!(read(&stored.sequence).collect::<Vec<_>>(), expected);
    }
}
