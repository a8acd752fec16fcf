//! `/characters` and `/personas`.

pub mod characters;
pub mod personas;

/// A name for programs, of at most `most` characters.
fn is_label(label: &str, most: usize) -> garde::Result {
    let is_letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let begins = label.bytes().next().is_some_and(is_letter);
    let goes_on = label.bytes().all(|byte| is_letter(byte) || matches!(byte, b'-' | b'_'));
    if begins && goes_on && label.len() <= most {
        return Ok(());
    }
    Err(garde::Error::new(format!(
        "must be 1 to {most} lower-case letters, digits, - and _, beginning with a letter or digit"
    )))
}
