//! What a cell may hold, and how it is written for the database.

use std::borrow::Cow;
use std::str::FromStr;

use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use serde::Serialize;

use crate::market::{normalised, sectors};

/// Longest cell that is looked at as a number or a day.
const CHARACTERS_MAX: usize = 64;
/// What the decimal type holds for sure.
const WHOLE_DIGITS_MAX: u32 = 28;
/// Years outside these are mistakes.
const YEAR_MIN: i32 = 1800;
const YEAR_MAX: i32 = 2200;

/// Why a row was not written. Codes are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
pub enum Code {
    /// The line is none of this file: another number of columns, or bytes that are not UTF-8.
    #[serde(rename = "ERR_MKT_001")]
    Line,
    /// A symbol is missing or cannot be one.
    #[serde(rename = "ERR_MKT_002")]
    Symbol,
    /// A day is missing, cannot be read, or has not come yet.
    #[serde(rename = "ERR_MKT_003")]
    Day,
    /// A number is missing or cannot be read.
    #[serde(rename = "ERR_MKT_004")]
    Number,
    /// A number is out of range.
    #[serde(rename = "ERR_MKT_005")]
    Range,
    /// An earlier line has the same key.
    #[serde(rename = "ERR_MKT_006")]
    Repeated,
    /// Something other than the words that are allowed.
    #[serde(rename = "ERR_MKT_007")]
    Word,
    /// A text is missing, too long, or holds a zero byte.
    #[serde(rename = "ERR_MKT_008")]
    Text,
}

/// A word as it is stored, and how it may be written.
pub(in crate::market) type Word = (&'static str, &'static [&'static str]);

/// What a column's cells hold.
#[derive(Clone, Copy, Debug)]
pub(in crate::market) enum Cell {
    Symbol,
    Day {
        can_be_future: bool,
    },
    /// At most so many characters.
    Text(usize),
    Sector,
    Currency,
    OneOf(&'static [Word]),
    /// With at most so many digits before the point; more than 8 after it are rounded by the database.
    Decimal {
        whole_digits: u32,
        is_positive: bool,
    },
    /// From, to.
    Number(f64, f64),
    /// From, to.
    Integer(i64, i64),
    Flag,
}

/// A broken rule.
pub(in crate::market) type Broken = (Code, String);

impl Cell {
    /// The value of a cell that is not empty, as the database reads it. `today` is the latest day that has come.
    pub(super) fn read<'a>(&self, text: &'a str, today: NaiveDate) -> Result<Cow<'a, str>, Broken> {
        match *self {
            Self::Symbol => symbol(text).map(Cow::Owned),
            Self::Day { can_be_future } => {
                day(text, today, can_be_future).map(|day| Cow::Owned(day.to_string()))
            }
            Self::Text(longest) => plain(text, longest).map(Cow::Borrowed),
            Self::Sector => Ok(Cow::Borrowed(sectors::standard(plain(text, 100)?))),
            Self::Currency => currency(text).map(Cow::Owned),
            Self::OneOf(words) => word(text, words).map(Cow::Borrowed),
            Self::Decimal { whole_digits, is_positive } => {
                decimal(text, whole_digits, is_positive).map(|number| Cow::Owned(number.to_string()))
            }
            Self::Number(low, high) => number(text, low, high).map(|number| Cow::Owned(number.to_string())),
            Self::Integer(low, high) => integer(text, low, high).map(|number| Cow::Owned(number.to_string())),
            Self::Flag => {
                word(text, &[("t", &["true", "t", "yes", "y", "1"]), ("f", &["false", "f", "no", "n", "0"])])
                    .map(Cow::Borrowed)
            }
        }
    }

    /// What a missing value is called.
    pub(super) fn code(&self) -> Code {
        match self {
            Self::Symbol => Code::Symbol,
            Self::Day { .. } => Code::Day,
            Self::Text(_) | Self::Sector => Code::Text,
            Self::Currency | Self::OneOf(_) | Self::Flag => Code::Word,
            Self::Decimal { .. } | Self::Number(..) | Self::Integer(..) => Code::Number,
        }
    }
}

/// A cell that stands for nothing.
pub(super) fn is_empty(text: &str) -> bool {
    text.is_empty()
        || ["null", "none", "nan", "n/a", "-"].iter().any(|nothing| text.eq_ignore_ascii_case(nothing))
}

pub(super) fn symbol(text: &str) -> Result<String, Broken> {
    normalised(text).ok_or_else(|| (Code::Symbol, format!("{} is no symbol", shown(text))))
}

pub(in crate::market) fn day(text: &str, today: NaiveDate, can_be_future: bool) -> Result<NaiveDate, Broken> {
    let wrong = |why: &str| (Code::Day, format!("{} {why}", shown(text)));
    // With a time of day behind it, as data frames are written.
    let date = text.split(['T', ' ']).next().unwrap_or_default();
    let formats: &[&str] = if date.contains('/') { &["%Y/%m/%d"] } else { &["%Y-%m-%d", "%Y%m%d"] };
    let read = formats.iter().find_map(|format| NaiveDate::parse_from_str(date, format).ok());
    let day = read.ok_or_else(|| wrong("is no day: write YYYY-MM-DD"))?;
    if !(YEAR_MIN..=YEAR_MAX).contains(&chrono::Datelike::year(&day)) {
        return Err(wrong("is out of range"));
    }
    if !can_be_future && day > today {
        return Err(wrong("has not come yet"));
    }
    Ok(day)
}

fn plain(text: &str, longest: usize) -> Result<&str, Broken> {
    if text.contains('\0') {
        return Err((Code::Text, "holds a zero byte".to_owned()));
    }
    let length = text.chars().count();
    if length > longest {
        return Err((Code::Text, format!("has {length} characters, at most {longest} are allowed")));
    }
    Ok(text)
}

fn currency(text: &str) -> Result<String, Broken> {
    let is_code = text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_alphabetic());
    if is_code {
        return Ok(text.to_ascii_uppercase());
    }
    Err((Code::Word, format!("{} is no currency: write three letters", shown(text))))
}

fn word(text: &str, words: &'static [Word]) -> Result<&'static str, Broken> {
    let found =
        words.iter().find(|(_, spellings)| spellings.iter().any(|word| word.eq_ignore_ascii_case(text)));
    found.map(|(stored, _)| *stored).ok_or_else(|| {
        let allowed = words.iter().map(|(_, spellings)| spellings[0]).collect::<Vec<_>>().join(", ");
        (Code::Word, format!("{} is none of: {allowed}", shown(text)))
    })
}

/// Reads `12.5`, `.5` and `1.25E7`.
pub(in crate::market) fn decimal(
    text: &str,
    whole_digits: u32,
    is_positive: bool,
) -> Result<Decimal, Broken> {
    let unreadable = || (Code::Number, format!("{} is no number", shown(text)));
    if text.len() > CHARACTERS_MAX || text.contains('_') {
        return Err(unreadable());
    }
    let is_scientific = text.contains(['e', 'E']);
    let read = if is_scientific { Decimal::from_scientific(text) } else { Decimal::from_str(text) };
    let number = read.map_err(|_| unreadable())?;
    if number.abs() >= Decimal::from_i128_with_scale(10_i128.pow(whole_digits.min(WHOLE_DIGITS_MAX)), 0) {
        return Err((
            Code::Range,
            format!("{} has more than {whole_digits} digits before the point", shown(text)),
        ));
    }
    // What is rounded to nothing is nothing.
    if is_positive && number.round_dp(8) <= Decimal::ZERO {
        return Err((Code::Range, format!("{} is not more than 0", shown(text))));
    }
    Ok(number)
}

fn number(text: &str, low: f64, high: f64) -> Result<f64, Broken> {
    let unreadable = || (Code::Number, format!("{} is no number", shown(text)));
    let number = text.parse::<f64>().map_err(|_| unreadable())?;
    if !number.is_finite() {
        return Err(unreadable());
    }
    if !(low..=high).contains(&number) {
        return Err((Code::Range, format!("{} is not from {low} to {high}", shown(text))));
    }
    Ok(number)
}

/// Also `1200.0`, as data frames write counts.
fn integer(text: &str, low: i64, high: i64) -> Result<i64, Broken> {
    let number = decimal(text, 19, false)?;
    let whole = if number.fract().is_zero() { i64::try_from(number.trunc()).ok() } else { None };
    let whole = whole.ok_or_else(|| (Code::Number, format!("{} is no whole number", shown(text))))?;
    if !(low..=high).contains(&whole) {
        return Err((Code::Range, format!("{} is not from {low} to {high}", shown(text))));
    }
    Ok(whole)
}

/// A cell in a message: quoted, and not longer than is useful.
fn shown(text: &str) -> String {
    let beginning: String = text.chars().take(40).collect();
    format!("{beginning:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRICE: Cell = Cell::Decimal { whole_digits: 12, is_positive: true };

    fn read(cell: Cell, text: &str) -> Result<String, Code> {
        let today = NaiveDate::from_ymd_opt(2024, 6, 3).unwrap();
        cell.read(text, today).map(Cow::into_owned).map_err(|(code, _)| code)
    }

    #[test]
    fn cells_are_read_or_refused_with_a_code() {
        let past = Cell::Day { can_be_future: false };
        let flag = Cell::Flag;
        for (cell, text, expected) in [
            (Cell::Symbol, "brk.b", Ok("BRK.B")),
            (Cell::Symbol, "=1+1", Err(Code::Symbol)),
            (past, "2024-06-03", Ok("2024-06-03")),
            (past, "20240603", Ok("2024-06-03")),
            (past, "2024/06/03", Ok("2024-06-03")),
            (past, "2024-06-03 00:00:00-04:00", Ok("2024-06-03")),
            (past, "2024-06-04", Err(Code::Day)),
            (Cell::Day { can_be_future: true }, "2024-06-04", Ok("2024-06-04")),
            (past, "03/06/2024", Err(Code::Day)),
            (past, "2024-02-30", Err(Code::Day)),
            (past, "0024-02-01", Err(Code::Day)),
            (PRICE, "37.708599090576172", Ok("37.708599090576172")),
            (PRICE, "1.2E3", Ok("1200")),
            (PRICE, "0", Err(Code::Range)),
            (PRICE, "-1", Err(Code::Range)),
            (PRICE, "0.000000001", Err(Code::Range)),
            (PRICE, "999999999999.99", Ok("999999999999.99")),
            (PRICE, "1000000000000", Err(Code::Range)),
            (PRICE, "1e30", Err(Code::Number)),
            (PRICE, "1,5", Err(Code::Number)),
            (PRICE, "$5", Err(Code::Number)),
            (PRICE, "1_0", Err(Code::Number)),
            (Cell::Integer(0, i64::MAX), "1200.0", Ok("1200")),
            (Cell::Integer(0, i64::MAX), "1.5", Err(Code::Number)),
            (Cell::Integer(1, 4), "5", Err(Code::Range)),
            (Cell::Number(-10.0, 10.0), "0.25", Ok("0.25")),
            (Cell::Number(-10.0, 10.0), "25", Err(Code::Range)),
            (Cell::Number(-10.0, 10.0), "inf", Err(Code::Number)),
            (Cell::Currency, "eur", Ok("EUR")),
            (Cell::Currency, "EURO", Err(Code::Word)),
            (Cell::Sector, "Consumer Cyclical", Ok("Consumer Discretionary")),
            (Cell::Text(3), "abcd", Err(Code::Text)),
            (Cell::Text(9), "a\0b", Err(Code::Text)),
            (flag, "TRUE", Ok("t")),
            (flag, "maybe", Err(Code::Word)),
        ] {
            assert_eq!(read(cell, text), expected.map(str::to_owned), "{cell:?} {text:?}");
        }
    }
}
