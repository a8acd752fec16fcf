//! Numbers as people and programs write them.
//!
//! Whether `1,234` is a thousand and more or one and a bit, the cell alone does
//! not say: the file decides, by the cells that can be read in one way only. A
//! cell that stays open is an error, not a guess.

use std::str::FromStr;

use sea_orm::prelude::Decimal;
use sea_orm::sea_query::prelude::rust_decimal::RoundingStrategy;

/// Largest number, exclusive: 12 digits before the point.
const INTEGER_DIGITS: u32 = 12;
/// Digits after the point that are read.
const LONGEST_PART: usize = 16;
/// Digits after the point that are kept.
pub(super) const DECIMALS: u32 = 8;

/// What stands between units and tenths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// `1,234.56`
    Point,
    /// `1.234,56`
    Comma,
}

/// Why a text is no number here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is none.
    NoNumber,
    /// It is two.
    Ambiguous,
    /// It has more digits than are kept.
    TooManyDigits,
}

/// Whether a cell says that there is nothing.
pub(super) fn is_absent(text: &str) -> bool {
    matches!(
        text.trim().to_ascii_lowercase().as_str(),
        "" | "-" | "--" | "n/a" | "na" | "null" | "none" | "—"
    )
}

/// What the cells of a file say of its numbers; where they say nothing, `silent`;
/// none where they contradict each other.
pub(super) fn mark_of<'a>(cells: impl Iterator<Item = &'a str>, silent: Option<Mark>) -> Option<Mark> {
    let (mut point, mut comma) = (false, false);
    for cell in cells {
        match bare(cell).and_then(|(_, digits)| told(&digits)) {
            Some(Mark::Point) => point = true,
            Some(Mark::Comma) => comma = true,
            None => {}
        }
    }
    match (point, comma) {
        (true, false) => Some(Mark::Point),
        (false, true) => Some(Mark::Comma),
        (false, false) => silent,
        (true, true) => None,
    }
}

/// The number of a cell. Signs before or behind, parentheses for negative ones,
/// signs and codes of currencies, groups of three.
pub(super) fn parse(text: &str, mark: Option<Mark>) -> Result<Decimal, Wrong> {
    let number = long(text, mark)?;
    if number.normalize().scale() > DECIMALS { Err(Wrong::TooManyDigits) } else { Ok(number) }
}

/// The same of a cell that was computed, such as an average: digits beyond those that are kept are rounded away.
pub(super) fn rounded(text: &str, mark: Option<Mark>) -> Result<Decimal, Wrong> {
    Ok(long(text, mark)?.round_dp_with_strategy(DECIMALS, RoundingStrategy::MidpointAwayFromZero))
}

/// With up to 16 digits behind the point; what is beyond those is left out.
fn long(text: &str, mark: Option<Mark>) -> Result<Decimal, Wrong> {
    let (is_negative, digits) = bare(text).ok_or(Wrong::NoNumber)?;
    let mark = match (told(&digits), mark) {
        (Some(told), _) => told,
        (None, Some(mark)) => mark,
        (None, None) if digits.contains(['.', ',']) => return Err(Wrong::Ambiguous),
        (None, None) => Mark::Point,
    };
    let (decimal, group) = match mark {
        Mark::Point => ('.', ','),
        Mark::Comma => (',', '.'),
    };
    let (whole, part) = digits.split_once(decimal).unwrap_or((&digits, ""));
    let whole = ungrouped(whole, group).ok_or(Wrong::NoNumber)?;
    if !part.bytes().all(|byte| byte.is_ascii_digit()) || (whole.is_empty() && part.is_empty()) {
        return Err(Wrong::NoNumber);
    }
    let part = part.trim_end_matches('0');
    if whole.trim_start_matches('0').len() > INTEGER_DIGITS as usize {
        return Err(Wrong::TooManyDigits);
    }
    let part = part.get(..part.len().min(LONGEST_PART)).unwrap_or(part);
    let whole = if whole.is_empty() { "0" } else { &whole };
    let number = if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") };
    let number = Decimal::from_str(&number).map_err(|_| Wrong::NoNumber)?;
    Ok(if is_negative { -number } else { number })
}

/// Whether a computed number can be kept.
pub(super) fn fits(number: Decimal) -> bool {
    number.abs() < Decimal::from(10_u64.pow(INTEGER_DIGITS)) && number.normalize().scale() <= DECIMALS
}

/// Sign and digits with their marks, without anything else.
fn bare(text: &str) -> Option<(bool, String)> {
    let mut rest = text.trim();
    let mut is_negative = false;
    if let Some(inside) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        is_negative = true;
        rest = inside.trim();
    }
    // Sign and currency come in any order, and on either side.
    for _ in 0..3 {
        rest = rest.trim();
        if let Some(after) = rest.strip_prefix(['-', '−', '–']).or_else(|| rest.strip_suffix(['-', '−']))
        {
            is_negative = !is_negative;
            rest = after;
        } else if let Some(after) = rest.strip_prefix('+') {
            rest = after;
        } else {
            rest = without_currency(rest);
        }
    }
    let digits: String = rest
        .trim()
        .chars()
        .filter(|letter| !matches!(letter, ' ' | '\u{a0}' | '\u{202f}' | '\'' | '’'))
        .collect();
    let is_number = digits.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, '.' | ','));
    let gaps_are_groups = rest.trim().len() == digits.len() || groups_of_three(rest.trim());
    (is_number && gaps_are_groups && digits.contains(|letter: char| letter.is_ascii_digit()))
        .then_some((is_negative, digits))
}

fn without_currency(text: &str) -> &str {
    let is_sign = |letter: char| "$€£¥₹₣₩₽₺".contains(letter);
    let text = text.trim_start_matches(is_sign).trim_end_matches(is_sign);
    let is_code = |code: &str| code.bytes().all(|byte| byte.is_ascii_uppercase());
    if let Some((code, rest)) = text.split_at_checked(3)
        && is_code(code)
    {
        return rest;
    }
    match text.len().checked_sub(3).and_then(|at| text.split_at_checked(at)) {
        Some((rest, code)) if is_code(code) => rest,
        _ => text,
    }
}

/// `1 234 567,8`, `1'234.50`: gaps only before three digits.
fn groups_of_three(text: &str) -> bool {
    let whole = text.split(['.', ',']).next().unwrap_or(text);
    let mut groups = whole.split([' ', '\u{a0}', '\u{202f}', '\'', '’']);
    let first = groups.next().unwrap_or_default();
    let rest_is_whole =
        text[whole.len()..].chars().all(|letter| letter.is_ascii_digit() || ".,".contains(letter));
    (1..=3).contains(&first.len()) && rest_is_whole && groups.all(|group| group.len() == 3)
}

/// What the marks of a cell say by themselves.
fn told(digits: &str) -> Option<Mark> {
    let (points, commas) = (digits.matches('.').count(), digits.matches(',').count());
    match (points, commas) {
        (0, 0) => None,
        (0, 2..) => Some(Mark::Point),
        (2.., 0) => Some(Mark::Comma),
        (1, 0) => alone(digits, '.').then_some(Mark::Point),
        (0, 1) => alone(digits, ',').then_some(Mark::Comma),
        _ if digits.rfind('.') > digits.rfind(',') => Some(Mark::Point),
        _ => Some(Mark::Comma),
    }
}

/// Whether a single mark cannot stand before a group of three.
fn alone(digits: &str, mark: char) -> bool {
    let (whole, part) = digits.split_once(mark).unwrap_or((digits, ""));
    part.len() != 3 || whole.is_empty() || whole.len() > 3 || whole.starts_with('0')
}

/// The digits of a whole number without its marks; none if they stand wrong.
fn ungrouped(whole: &str, mark: char) -> Option<String> {
    let mut groups = whole.split(mark);
    let first = groups.next().unwrap_or_default();
    let mut digits = first.to_owned();
    for group in groups {
        if group.len() != 3 || first.is_empty() || first.len() > 3 {
            return None;
        }
        digits.push_str(group);
    }
    digits.bytes().all(|byte| byte.is_ascii_digit()).then_some(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, mark: Option<Mark>) -> Result<String, Wrong> {
        parse(text, mark).map(|number| number.normalize().to_string())
    }

    #[test]
    fn numbers_are_read_as_they_are_written() {
        for (text, number) in [
            ("100", "100"),
            ("0.1", "0.1"),
            (".5", "0.5"),
            ("1,234.56", "1234.56"),
            ("1.234,56", "1234.56"),
            ("1,234,567", "1234567"),
            ("1.234.567", "1234567"),
            ("12,5", "12.5"),
            ("0,125", "0.125"),
            ("0.125", "0.125"),
            ("1 234 567,8", "1234567.8"),
            ("1'234.50", "1234.5"),
            ("1\u{a0}234,50", "1234.5"),
            ("$1,234.50", "1234.5"),
            ("-$1,234.50", "-1234.5"),
            ("$-1,234.50", "-1234.5"),
            ("($1,234.50)", "-1234.5"),
            ("12.30-", "-12.3"),
            ("−12.30", "-12.3"),
            ("+7", "7"),
            ("USD 12.30", "12.3"),
            ("12,30 EUR", "12.3"),
            ("€ 12,30", "12.3"),
            ("100.00000000000", "100"),
            ("999999999999", "999999999999"),
        ] {
            assert_eq!(read(text, None), Ok(number.to_owned()), "{text}");
        }
        for text in [
            "", "-", "abc", "1.2.3,4", "1,23,456", "12a", "1 23", "$", "1e5", "12%", "1-2", "()", "0x1f",
            "१२",
        ] {
            assert_eq!(read(text, None), Err(Wrong::NoNumber), "{text}");
        }
        assert_eq!(
            rounded("51.833706625", None).map(|number| number.to_string()),
            Ok("51.83370663".to_owned())
        );
        for text in ["1234567890123", "0.123456789"] {
            assert_eq!(read(text, None), Err(Wrong::TooManyDigits), "{text}");
        }
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_decided_by_the_file_or_an_error() {
        assert_eq!(read("1,234", None), Err(Wrong::Ambiguous));
        assert_eq!(read("1.234", None), Err(Wrong::Ambiguous));
        assert_eq!(read("1,234", Some(Mark::Point)), Ok("1234".to_owned()));
        assert_eq!(read("1,234", Some(Mark::Comma)), Ok("1.234".to_owned()));
        assert_eq!(read("1.234", Some(Mark::Comma)), Ok("1234".to_owned()));
        let silent = Some(Mark::Point);
        assert_eq!(mark_of(["1,234", "12.5", "x"].into_iter(), None), Some(Mark::Point));
        assert_eq!(mark_of(["1.234", "12,5"].into_iter(), silent), Some(Mark::Comma));
        assert_eq!(mark_of(["12.5", "12,5"].into_iter(), silent), None);
        assert_eq!(mark_of(["1,234", "100"].into_iter(), silent), silent);
    }

    #[test]
    fn what_says_nothing_is_absent() {
        assert!(["", " ", "--", "-", "N/A", "n/a", "null"].iter().all(|text| is_absent(text)));
        assert!(!is_absent("0"));
    }
}
