//! What must not be remembered just because it was said: passwords, keys,
//! card numbers, account numbers. When in doubt, it is sensitive.

/// Whether a text seems to hold something that should stay out of a prompt.
pub(super) fn looks_sensitive(text: &str) -> bool {
    let lower = text.to_lowercase();
    WORDS.iter().any(|word| lower.contains(word))
        || text.split(is_token_end).any(looks_like_key)
        || has_url_credentials(&lower)
        || has_card_number(text)
        || has_iban(text)
}

const WORDS: &[&str] = &[
    "password",
    "passwd",
    "passphrase",
    "passcode",
    "passwort",
    "kennwort",
    "mot de passe",
    "contraseña",
    "api key",
    "api-key",
    "apikey",
    "api_key",
    "secret key",
    "secret_key",
    "client secret",
    "private key",
    "access key",
    "access token",
    "bearer ",
    "seed phrase",
    "recovery phrase",
    "pin code",
    "pin is",
    "pin:",
    "pin number",
    "cvv",
    "cvc",
    "-----begin",
];

const KEY_PREFIXES: &[&str] = &[
    "sk-",
    "sk_",
    "pk_",
    "rk_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "xoxb-",
    "xoxp-",
    "xapp-",
    "AKIA",
    "ASIA",
    "AIza",
    "ya29.",
    "hf_",
    "npm_",
    "pypi-",
    "shpat_",
    "SG.",
    "whsec_",
    "eyJ",
];

/// Shortest text after which a known prefix, or chance, is taken for a key.
const PREFIXED_KEY_MIN: usize = 12;
const KEY_MIN: usize = 20;
const HEX_KEY_MIN: usize = 32;

fn is_token_end(c: char) -> bool {
    c.is_whitespace() || "\"'`<>()[]{},;=:".contains(c)
}

fn looks_like_key(token: &str) -> bool {
    let token = token.trim_end_matches(['.', '!', '?']);
    if !token.is_ascii() || token.len() < PREFIXED_KEY_MIN {
        return false;
    }
    let has = |test: fn(&u8) -> bool| token.as_bytes().iter().any(test);
    let has_digit = has(u8::is_ascii_digit);
    if has_digit && KEY_PREFIXES.iter().any(|prefix| token.starts_with(prefix)) {
        return true;
    }
    let is_uuid = token.contains('-') && uuid::Uuid::try_parse(token).is_ok();
    let is_path = token.contains('/') && token.contains('.');
    if is_uuid || is_path {
        return false;
    }
    let is_hex = token.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_key_like = token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_+/=.~".contains(&byte));
    let is_mixed = has_digit && has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase);
    (is_hex && has_digit && token.len() >= HEX_KEY_MIN) || (is_key_like && is_mixed && token.len() >= KEY_MIN)
}

/// `scheme://user:secret@host`
fn has_url_credentials(lower: &str) -> bool {
    lower.split_whitespace().any(|word| {
        word.split_once("://")
            .and_then(|(_, rest)| rest.split(['/', '?', '#']).next())
            .and_then(|authority| authority.rsplit_once('@'))
            .is_some_and(|(userinfo, _)| userinfo.contains(':'))
    })
}

/// 13 to 19 digits, in groups or not, whose Luhn sum holds.
fn has_card_number(text: &str) -> bool {
    let mut groups: Vec<Vec<u32>> = vec![Vec::new()];
    let mut gap = 0;
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            if gap > 0 {
                groups.push(Vec::new());
            }
            gap = 0;
            if let Some(group) = groups.last_mut() {
                group.push(digit);
            }
        } else if is_group_separator(c) && gap < GROUP_GAP_MAX {
            gap += 1;
        } else {
            // An empty group joins nothing: windows below stop at it.
            groups.extend([Vec::new(), Vec::new()]);
            gap = 0;
        }
    }
    (0..groups.len()).any(|start| {
        let mut digits = Vec::new();
        for group in groups.iter().skip(start).take_while(|group| !group.is_empty()) {
            digits.extend_from_slice(group);
            if digits.len() > 19 {
                break;
            }
            if digits.len() >= 13 && luhn_holds(&digits) {
                return true;
            }
        }
        false
    })
}

const GROUP_GAP_MAX: usize = 3;

fn is_group_separator(c: char) -> bool {
    c.is_whitespace() || matches!(c, '-' | '.' | '/' | '_' | '\u{2010}'..='\u{2015}')
}

fn luhn_holds(digits: &[u32]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(index, digit)| match (index % 2, digit * 2) {
            (0, _) => *digit,
            (_, doubled) if doubled > 9 => doubled - 9,
            (_, doubled) => doubled,
        })
        .sum();
    sum.is_multiple_of(10) && digits.iter().any(|digit| *digit != 0)
}

/// Two letters, two digits, up to 30 more, in groups or not, remainder 1 modulo 97.
fn has_iban(text: &str) -> bool {
    let words: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    (0..words.len()).any(|start| {
        let mut candidate = String::new();
        for word in words.iter().skip(start) {
            candidate.push_str(word);
            if candidate.len() > IBAN_MAX {
                break;
            }
            if candidate.len() >= IBAN_MIN && is_iban(candidate.as_bytes()) {
                return true;
            }
        }
        false
    })
}

const IBAN_MIN: usize = 15;
const IBAN_MAX: usize = 34;

fn is_iban(candidate: &[u8]) -> bool {
    let Some((head, tail)) = candidate.split_at_checked(4) else {
        return false;
    };
    let is_headed = head[..2].iter().all(u8::is_ascii_alphabetic) && head[2..].iter().all(u8::is_ascii_digit);
    let remainder = tail.iter().chain(head).try_fold(0_u32, |sum, byte| {
        let value = char::from(*byte).to_digit(36)?;
        let shifted = if value > 9 { sum * 100 } else { sum * 10 };
        Some((shifted + value) % 97)
    });
    is_headed && remainder == Some(1)
}

#[cfg(test)]
mod tests {
    use super::looks_sensitive;

    #[test]
    fn secrets_are_seen() {
        for text in [
            "my password is hunter2",
            "mein Passwort lautet geheim",
            "the key sk-proj-abc123def456ghi789",
            "use AKIAIOSFODNN7EXAMPLE for it",
            "token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc",
            "k=Zm9vYmFyYmF6cXV4MTIzNDU2",
            "0123456789abcdef0123456789abcdef",
            "db is postgres://me:hush@db.example/core",
            "my card is 4111 1111 1111 1111",
            "my card is 4111-1111-1111-1111, valid 12/27",
            "4111111111111111 12/27",
            "5555.5555.5555.4444",
            "378282246310005",
            "account DE89 3704 0044 0532 0130 00",
            "account gb82west12345698765432.",
            "IBAN:FR1420041010050500013M02606",
            "my PIN is 1234",
        ] {
            assert!(looks_sensitive(text), "{text}");
        }
    }

    #[test]
    fn ordinary_facts_are_not() {
        for text in [
            "I prefer euros to dollars",
            "my portfolio 019aa000-0000-7000-8000-000000000001 is the main one",
            "I hold 1,250,000 shares since 2019-04-02 and 300 since 2021-05-06",
            "the index stood at 4111 on 11 November 2011",
            "call me on +49 30 1234567",
            "order number 4111 1111 1111 1112",
            "account DE89 3704 0044 0532 0130 03",
            "I read https://example.com/a/b?c=d every day",
            "my notes are in https://example.com/files/Report2024Final.pdf",
            "my fund's ISIN is US0378331005",
            "internationalisation and counterrevolutionaries bore me",
        ] {
            assert!(!looks_sensitive(text), "{text}");
        }
    }
}
