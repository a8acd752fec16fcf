//! Amounts as answers write them: `1,532.50`, `$20`, `-17.5`, `1.532,50 EUR`.
//!
//! Dates, times, names (`90D`, `401k`) and the numbers of citations are none.

use sea_orm::prelude::Decimal;
use sea_orm::sea_query::prelude::rust_decimal::RoundingStrategy::MidpointAwayFromZero;

/// Longest amount that is looked at, in bytes.
const BYTES_MAX: usize = 32;
/// Digits that are more than a count.
const DIGITS: usize = 5;
/// Digits that are enough where there are decimals.
const DIGITS_WITH_DECIMALS: usize = 3;

/// An amount in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Amount {
    /// Negative only if a sign says so.
    pub(super) value: Decimal,
    has_sign: bool,
    is_percent: bool,
    /// It can be told from a count, a year, or a number of a list.
    pub(super) is_distinct: bool,
}

impl Amount {
    /// Whether it says this value: exactly, or rounded to the cent or finer. A value
    /// below 1 is said by its digits only, and a fraction also in percent.
    pub(super) fn says(&self, value: Decimal) -> bool {
        if self.has_sign && value.is_sign_negative() != self.value.is_sign_negative() && !value.is_zero() {
            return false;
        }
        let (said, value) = (self.value.abs(), value.abs());
        let scale = self.value.scale();
        if self.is_percent {
            let percent = value.checked_mul(Decimal::ONE_HUNDRED);
            let rounded = percent.map(|percent| percent.round_dp_with_strategy(scale, MidpointAwayFromZero));
            return said == value || (scale > 0 && rounded == Some(said)) || percent == Some(said);
        }
        let is_rounded = scale >= 2 && value >= Decimal::ONE && value.scale() > scale;
        said == value || (is_rounded && value.round_dp_with_strategy(scale, MidpointAwayFromZero) == said)
    }
}

/// The amounts of a text, in order.
pub(super) fn amounts(text: &str) -> Vec<Amount> {
    let mut found = Vec::new();
    let mut rest = 0;
    while let Some(at) = text[rest..].find(|c: char| c.is_ascii_digit()).map(|at| rest + at) {
        let end = end_of(text, at);
        rest = end;
        found.extend(amount(&text[..at], &text[at..end], &text[end..]));
    }
    found
}

/// Where the digits and separators that begin here end. What stands after the last
/// digit is no part of it.
fn end_of(text: &str, at: usize) -> usize {
    let mut end = at;
    for (place, character) in text[at..].char_indices() {
        if character.is_ascii_digit() {
            end = at + place + 1;
        } else if !is_separator(character) || at + place > end {
            break;
        }
    }
    end
}

fn is_separator(character: char) -> bool {
    matches!(character, '.' | ',' | '\'' | '\u{2019}' | '\u{a0}' | '\u{202f}')
}

fn amount(before: &str, digits: &str, after: &str) -> Option<Amount> {
    if digits.len() > BYTES_MAX || is_of_a_word(before, after) {
        return None;
    }
    let (bare, has_symbol) = without_currency(before);
    let sign = bare.chars().next_back().filter(|sign| matches!(sign, '-' | '\u{2212}' | '+'));
    // A minus between words or numbers is a dash.
    let joins = |sign: char| bare[..bare.len() - sign.len_utf8()].ends_with(|c: char| c.is_alphanumeric());
    if sign.is_some_and(|sign| sign != '+' && joins(sign)) {
        return None;
    }
    let (plain, has_groups) = plain(digits)?;
    let value: Decimal = Decimal::from_str_exact(&plain).ok()?;
    let is_negative = sign.is_some_and(|sign| sign != '+');
    let told = after.trim_start_matches([' ', '\u{a0}', '\u{202f}']);
    let is_percent = told.starts_with('%') || told.starts_with("percent") || told.starts_with("per cent");
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    let is_money = has_symbol || is_currency(told);
    let is_long = count >= DIGITS || (value.scale() > 0 && count >= DIGITS_WITH_DECIMALS);
    Some(Amount {
        value: if is_negative { -value } else { value },
        has_sign: sign.is_some(),
        is_percent,
        is_distinct: !is_percent && (has_groups || is_long || (is_money && count > 1)),
    })
}

/// Of a name, a date, a time, a marker.
fn is_of_a_word(before: &str, after: &str) -> bool {
    let letters: String = after.chars().take_while(|c| c.is_alphabetic()).take(4).collect();
    let is_code = letters.len() == 3 && is_currency(&letters);
    let is_unit = !letters.is_empty() && !is_code;
    let goes_on = |text: &str| {
        let mut characters = text.chars();
        matches!(characters.next(), Some('-' | '/' | ':' | '_'))
            && characters.next().is_some_and(|c| c.is_ascii_digit())
    };
    let comes_from = |text: &str| {
        let mut characters = text.chars().rev();
        matches!(characters.next(), Some('/' | ':' | '_' | '-' | '.'))
            && characters.next().is_some_and(|c| c.is_ascii_digit())
    };
    let is_marker = before.ends_with('[') && after.starts_with(']');
    before.ends_with(|c: char| c.is_alphanumeric() || c == '_')
        || is_unit
        || goes_on(after)
        || comes_from(before)
        || is_marker
}

fn without_currency(before: &str) -> (&str, bool) {
    let bare = before.trim_end_matches(['$', '\u{20ac}', '\u{a3}', '\u{a5}']);
    (bare, bare.len() < before.len())
}

/// Whether a code of a currency stands here, as in `20 USD`.
fn is_currency(text: &str) -> bool {
    let mut characters = text.chars();
    let has_code = characters.by_ref().take(3).filter(char::is_ascii_uppercase).count() == 3;
    has_code && !characters.next().is_some_and(char::is_alphanumeric)
        || text.starts_with('\u{20ac}')
        || text.starts_with("dollar")
        || text.starts_with("euro")
}

/// Digits with a point, and whether there were groups of three. The last kind of
/// separator is the point, unless three digits follow it each time.
fn plain(digits: &str) -> Option<(String, bool)> {
    let groups: Vec<&str> = digits.split(is_separator).collect();
    let separators: Vec<char> = digits.chars().filter(|c| is_separator(*c)).collect();
    let Some(last) = separators.last().copied() else { return Some((digits.to_owned(), false)) };
    let is_alone = separators.iter().filter(|separator| **separator == last).count() == 1;
    let has_three = groups.last().is_some_and(|group| group.len() == 3);
    let is_point = match last {
        '.' => is_alone,
        // A comma alone before three digits parts thousands.
        ',' => is_alone && (separators.len() > 1 || !has_three),
        _ => false,
    };
    let whole = if is_point { &groups[..groups.len() - 1] } else { &groups[..] };
    let is_grouped = whole.len() > 1;
    if is_grouped && (whole[0].len() > 3 || whole[1..].iter().any(|group| group.len() != 3)) {
        return None;
    }
    let mut plain = whole.concat();
    if is_point {
        plain.push('.');
        plain.push_str(groups.last()?);
    }
    Some((plain, is_grouped))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<String> {
        amounts(text).iter().map(|amount| amount.value.to_string()).collect()
    }

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn amounts_are_read_as_they_are_written() {
        for (text, expected) in [
            ("It is worth $1,532.50, or 1532.5 USD.", vec!["1532.50", "1532.5"]),
            ("1.532,50 EUR und 12,5", vec!["1532.50", "12.5"]),
            ("1'234'567.89 and 1\u{202f}234,50 and 1,234", vec!["1234567.89", "1234.50", "1234"]),
            ("MSFT (-20.00), AAPL +17.50, -$3.25 and \u{2212}4", vec!["-20.00", "17.50", "-3.25", "-4"]),
            ("in 2024-03-06 at 10:30, 90D, Q3, 401k, S&P-500 and v1.2.3.4 [7]", vec![]),
            ("from 10-20 or 1/2", vec![]),
            ("12,34,56 and 1.", vec!["1"]),
            ("100USD, 5x", vec!["100"]),
        ] {
            assert_eq!(read(text), expected, "{text}");
        }
    }

    #[test]
    fn a_value_is_said_to_the_cent_or_not_at_all() {
        let says = |text: &str, value: &str| amounts(text)[0].says(decimal(value));
        for (text, value) in [
            ("1,532.50", "1532.5"),
            ("1532.50", "1532.4999"),
            ("20.00", "-20"),
            ("-20", "-20.00"),
            ("18.66 %", "0.186625"),
            ("18.66 %", "18.66"),
            ("0.186625", "0.186625"),
        ] {
            assert!(says(text, value), "{text} {value}");
        }
        for (text, value) in [
            ("1532", "1532.5"),
            ("1532.5", "1532.46"),
            ("1532.50", "1532.51"),
            ("-20.00", "20"),
            ("+20.00", "-20"),
            ("0.19", "0.186625"),
        ] {
            assert!(!says(text, value), "{text} {value}");
        }
    }

    #[test]
    fn a_count_or_a_year_is_not_distinct() {
        let distinct =
            |text: &str| -> Vec<bool> { amounts(text).iter().map(|found| found.is_distinct).collect() };
        assert_eq!(distinct("3 positions in 2024, 20.0 percent, 1.5"), [false, false, false, false]);
        assert_eq!(distinct("37.5, $20, 1,200, 25 USD, 20 euros, 12345"), [true; 6]);
    }
}
