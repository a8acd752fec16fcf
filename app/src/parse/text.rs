//! Plain text: which letters the bytes are, and what is left out.

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};

use super::{Document, Limits, Refused};

/// Bytes that are looked at to guess an encoding.
const GUESSED_FROM: usize = 4 << 20;
/// A file is not text when more than one character in this many is none.
const NOISE: usize = 20;
/// As much is forgiven even in a short text.
const NOISE_FREE: usize = 2;

pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let text = clean(&decode(bytes, None), limits)?;
    Ok(Document { text, ..Default::default() })
}

/// The letters of a text: by its byte order mark, by what it says itself, as
/// UTF-8 if it can be that, or by a guess. Bytes that are no letters become U+FFFD.
pub(super) fn decode(bytes: &[u8], declared: Option<&'static Encoding>) -> String {
    let encoding = match Encoding::for_bom(bytes) {
        Some((encoding, _)) => encoding,
        None => declared.or_else(|| wide(bytes)).unwrap_or_else(|| narrow(bytes)),
    };
    encoding.decode(bytes).0.into_owned()
}

/// UTF-16 without a mark: every other byte of a Western text is zero.
fn wide(bytes: &[u8]) -> Option<&'static Encoding> {
    let start = &bytes[..bytes.len().min(4096)];
    let zeros = |offset: usize| start.iter().skip(offset).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), start.len() / 2);
    if odd * 3 > half && even * 50 <= half {
        return Some(UTF_16LE);
    }
    (even * 3 > half && odd * 50 <= half).then_some(UTF_16BE)
}

fn narrow(bytes: &[u8]) -> &'static Encoding {
    if std::str::from_utf8(bytes).is_ok() {
        return UTF_8;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Allow);
    detector.feed(&bytes[..bytes.len().min(GUESSED_FROM)], true);
    detector.guess(None, Utf8Detection::Allow)
}

/// Leaves out what is no text: NUL and other control characters. Lines end
/// with `\n`. What is mostly noise is refused.
pub(super) fn clean(text: &str, limits: Limits) -> Result<String, Refused> {
    let mut cleaned = String::with_capacity(text.len());
    let (mut characters, mut noise) = (0_usize, 0_usize);
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        characters += 1;
        match letter {
            '\r' if letters.peek() == Some(&'\n') => {}
            '\r' | '\u{c}' | '\u{85}' => cleaned.push('\n'),
            '\u{feff}' => {}
            '\n' | '\t' => cleaned.push(letter),
            _ if letter.is_control() => noise += 1,
            '\u{fffd}' => {
                noise += 1;
                cleaned.push(letter);
            }
            _ => cleaned.push(letter),
        }
        if characters > limits.characters {
            return Err(Refused::too_long(limits));
        }
    }
    if noise > NOISE_FREE + characters / NOISE {
        return Err(Refused::because("the file is not text: too much of it is no letter of any encoding"));
    }
    Ok(cleaned)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { characters: 1000, pages: 10 };

    fn text(bytes: &[u8]) -> String {
        read(bytes, LIMITS).unwrap().text
    }

    #[test]
    fn encodings_are_told_apart() {
        let words = "Zürich: die Bilanzsumme stieg auf über fünf Millionen Franken.";
        assert_eq!(text(words.as_bytes()), words);
        assert_eq!(text(&[b"\xef\xbb\xbf", words.as_bytes()].concat()), words);
        assert_eq!(text(&encoding_rs::WINDOWS_1252.encode(words).0), words);
        let little: Vec<u8> = words.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = words.encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(text(&little), words);
        assert_eq!(text(&big), words);
        assert_eq!(text(&[&b"\xff\xfe"[..], &little].concat()), words);
        assert_eq!(text(&[&b"\xfe\xff"[..], &big].concat()), words);
        let japanese = "東京証券取引所に上場している企業の株価は、きのうより上がりました。";
        assert_eq!(text(&encoding_rs::SHIFT_JIS.encode(japanese).0), japanese);
        assert_eq!(text(&encoding_rs::EUC_JP.encode(japanese).0), japanese);
    }

    #[test]
    fn control_characters_are_left_out_and_noise_is_refused() {
        assert_eq!(
            text(b"one\0 line of some length\r\ntwo\x07\rthree\tx"),
            "one line of some length\ntwo\nthree\tx"
        );
        let noise: Vec<u8> = (0..=255).cycle().take(900).collect();
        assert!(read(&noise, LIMITS).unwrap_err().0.contains("not text"));
        assert!(read(&[b'a'; 1001], LIMITS).unwrap_err().0.contains("1000 characters"));
    }
}
