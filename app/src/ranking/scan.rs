//! Where words begin and end.

use unicode_normalization::char::is_combining_mark;

/// Longer compounds (addresses, encoded data) are no names.
const NAME_BYTES_MAX: usize = 64;

/// A word of a text as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// Letters and digits.
    Word(&'a str),
    /// A number with its separators: `1,452.4`.
    Number(&'a str),
    /// A name that is written with joints, whole: `BRK.B`, `S&P`, `10-K`,
    /// `user_id`. Its parts follow as words.
    Name(&'a str),
    /// Two neighbouring signs of a script that puts no spaces between words.
    Pair(&'a str),
}

/// The tokens of a text in their order.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut at, mut named_until, mut checked_until) = (0, 0, 0);
    while let Some(letter) = text[at..].chars().next() {
        if !is_word(letter) {
            at += letter.len_utf8();
            continue;
        }
        if let Some(end) = number(text, at) {
            tokens.push(Token::Number(&text[at..end]));
            at = end;
            continue;
        }
        if at >= named_until.max(checked_until) {
            let end = compound(text, at);
            named_until = at;
            if is_name(&text[at..end]) {
                tokens.push(Token::Name(&text[at..end]));
                named_until = end;
            } else {
                checked_until = end;
            }
        }
        let end = run(text, at);
        // A letter of a name says nothing without it.
        if end > named_until || text[at..end].chars().nth(1).is_some() {
            push_run(&text[at..end], &mut tokens);
        }
        at = end;
    }
    tokens
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || (is_combining_mark(letter) && !letter.is_ascii())
}

/// The end of the letters and digits that begin here.
fn run(text: &str, at: usize) -> usize {
    text[at..].find(|letter| !is_word(letter)).map_or(text.len(), |length| at + length)
}

/// The end of a number with at least one separator.
fn number(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut end = at + digits(at);
    let first = end;
    while end > at && bytes.get(end).is_some_and(|byte| matches!(byte, b'.' | b',')) {
        let more = digits(end + 1);
        if more == 0 {
            break;
        }
        end += 1 + more;
    }
    (end > first).then_some(end)
}

/// The end of runs that single joints hold together.
fn compound(text: &str, at: usize) -> usize {
    let mut end = run(text, at);
    while end - at <= NAME_BYTES_MAX {
        let mut rest = text[end..].chars();
        let is_joint = rest.next().is_some_and(|joint| matches!(joint, '.' | '&' | '/' | '-' | '_'));
        if !is_joint || !rest.next().is_some_and(is_word) {
            break;
        }
        end = run(text, end + 1);
    }
    end
}

/// Names have a part of one letter, a part with a digit, a part in capitals, or an underscore.
fn is_name(compound: &str) -> bool {
    if compound.len() > NAME_BYTES_MAX || !compound.contains(['.', '&', '/', '-', '_']) {
        return false;
    }
    compound.contains('_')
        || compound.split(['.', '&', '/', '-']).any(|part| {
            part.chars().count() == 1
                || part.chars().any(char::is_numeric)
                || part.chars().all(char::is_uppercase)
        })
}

/// Scripts without spaces between words.
fn is_unspaced(letter: char) -> bool {
    matches!(u32::from(letter),
        0x0E00..=0x0EFF            // Thai, Lao
        | 0x1000..=0x109F          // Myanmar
        | 0x1780..=0x17FF          // Khmer
        | 0x3040..=0x30FF          // Hiragana, Katakana
        | 0x3400..=0x4DBF | 0x4E00..=0x9FFF | 0xF900..=0xFAFF | 0x2_0000..=0x3_FFFF) // Han
}

fn push_run<'a>(run: &'a str, tokens: &mut Vec<Token<'a>>) {
    let mut rest = run;
    while let Some(first) = rest.chars().next() {
        let unspaced = is_unspaced(first);
        let length = rest.find(|letter| is_unspaced(letter) != unspaced).unwrap_or(rest.len());
        let (part, after) = rest.split_at(length);
        if unspaced {
            push_pairs(part, tokens);
        } else {
            tokens.push(Token::Word(part));
        }
        rest = after;
    }
}

fn push_pairs<'a>(part: &'a str, tokens: &mut Vec<Token<'a>>) {
    let starts: Vec<usize> = part.char_indices().map(|(at, _)| at).chain([part.len()]).collect();
    if starts.len() == 2 {
        tokens.push(Token::Pair(part));
    }
    tokens.extend(starts.windows(3).map(|ends| Token::Pair(&part[ends[0]..ends[2]])));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_stay_whole() {
        use Token::{Name, Number, Word};
        assert_eq!(
            tokens("S&P's 10-K: $1,452.4, or 3.5%."),
            [Name("S&P"), Word("s"), Name("10-K"), Word("10"), Number("1,452.4"), Word("or"), Number("3.5")]
        );
        assert_eq!(
            tokens("BRK.B user_id"),
            [Name("BRK.B"), Word("BRK"), Name("user_id"), Word("user"), Word("id")]
        );
        assert_eq!(tokens("well-known. Next"), [Word("well"), Word("known"), Word("Next")]);
        assert_eq!(tokens("2019. 2,"), [Word("2019"), Word("2")]);
    }

    #[test]
    fn scripts_without_spaces_are_read_in_pairs() {
        use Token::{Pair, Word};
        assert_eq!(tokens("日本語A1"), [Pair("日本"), Pair("本語"), Word("A1")]);
        assert_eq!(tokens("語"), [Pair("語")]);
    }

    #[test]
    fn long_compounds_cost_no_more_than_their_length() {
        let address = "ab.".repeat(500_000);
        assert_eq!(tokens(&address).len(), 500_000);
    }
}
