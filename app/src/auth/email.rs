//! Addresses: one person, one spelling.

use crate::error::{Error, Result};

/// Longest address, in characters.
pub(super) const CHARACTERS_MAX: usize = 254;

/// The spelling an address is stored and looked up in.
pub(super) fn normalise(text: &str) -> String {
    text.trim().to_lowercase()
}

/// The normalised form of an address, or what is wrong with the field `email`.
pub(super) fn parse(text: &str) -> Result<String> {
    is_address(&text, &()).map_err(|error| Error::field("email", error.message()))?;
    Ok(normalise(text))
}

/// For `#[garde(custom(..))]`.
pub(super) fn is_address<T: AsRef<str>>(text: &T, _: &()) -> garde::Result {
    let email = normalise(text.as_ref());
    if email.chars().count() > CHARACTERS_MAX {
        return Err(garde::Error::new(format!("must have at most {CHARACTERS_MAX} characters")));
    }
    garde::rules::email::parse_email(&email)
        .map_err(|why| garde::Error::new(format!("must be an email address: {why}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_spelling() {
        assert_eq!(parse("  Ada@Example.COM ").unwrap(), "ada@example.com");
        assert!(parse("ada").is_err());
        assert!(parse("a\0da@example.com").is_err());
        assert!(parse(&format!("{}@example.com", "a".repeat(250))).is_err());
    }
}
