//! Dates as people and programs write them.
//!
//! `03/04/2024` is in March or in April: the other dates of the file decide,
//! or the caller does; a date that stays open is an error.

use chrono::{Datelike, NaiveDate};
use serde::Deserialize;

/// What stands first in a date of numbers that does not begin with its year.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Order {
    /// `12/31/2024`
    #[serde(rename = "mdy")]
    MonthFirst,
    /// `31/12/2024`
    #[serde(rename = "dmy")]
    DayFirst,
}

/// Why a text is no date here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// It is none.
    NoDate,
    /// It is two.
    Ambiguous,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const MONTHS_WHOLE: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// What the dates of a file say of their order; none: nothing, or both.
pub(super) fn order_of<'a>(cells: impl Iterator<Item = &'a str>) -> Option<Order> {
    let (mut month_first, mut day_first) = (false, false);
    for cell in cells {
        let Some(Parts::Open { first, second, .. }) = parts(cell) else { continue };
        month_first |= second > 12 && first <= 12;
        day_first |= first > 12 && second <= 12;
    }
    match (month_first, day_first) {
        (true, false) => Some(Order::MonthFirst),
        (false, true) => Some(Order::DayFirst),
        _ => None,
    }
}

/// The date of a cell; a time behind it is passed over.
pub(super) fn parse(text: &str, order: Option<Order>) -> Result<NaiveDate, Wrong> {
    let (year, month, day) = match parts(text).ok_or(Wrong::NoDate)? {
        Parts::Whole { year, month, day } => (year, month, day),
        Parts::Open { first, second, year } => match order {
            _ if first == second => (year, first, second),
            Some(Order::MonthFirst) => (year, first, second),
            Some(Order::DayFirst) => (year, second, first),
            None if first > 12 => (year, second, first),
            None if second > 12 => (year, first, second),
            None => return Err(Wrong::Ambiguous),
        },
    };
    NaiveDate::from_ymd_opt(year, month, day).ok_or(Wrong::NoDate)
}

/// The last date that stands anywhere in a text, as in `Positions as of 4:00 PM ET, 01/05/2024`.
pub(super) fn within(text: &str, order: Order) -> Option<NaiveDate> {
    let words: Vec<&str> = text.split([' ', ',', '"', ';', '\t']).filter(|word| !word.is_empty()).collect();
    let sane = |date: &NaiveDate| (1990..2200).contains(&date.year());
    let numeric =
        words.iter().rev().filter(|word| word.len() >= 6).find_map(|word| parse(word, Some(order)).ok());
    let named = || words.windows(3).rev().find_map(|three| parse(&three.join(" "), Some(order)).ok());
    numeric.filter(sane).or_else(named).filter(sane)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parts {
    /// It says what is what.
    Whole { year: i32, month: u32, day: u32 },
    /// Day and month, or month and day.
    Open { first: u32, second: u32, year: i32 },
}

fn parts(text: &str) -> Option<Parts> {
    let text = without_time(text.trim());
    if text.len() == 8 && text.bytes().all(|byte| byte.is_ascii_digit()) {
        let (year, month, day) = (text[..4].parse().ok()?, text[4..6].parse().ok()?, text[6..].parse().ok()?);
        return Some(Parts::Whole { year, month, day });
    }
    let pieces: Vec<&str> = text.split(['/', '-', '.', ' ', ',']).filter(|piece| !piece.is_empty()).collect();
    let [one, two, three] = pieces[..] else {
        return compact(text);
    };
    match (month_of(one), month_of(two)) {
        (Some(month), _) => Some(Parts::Whole { year: year_of(three)?, month, day: number(two)? }),
        (_, Some(month)) if one.len() == 4 => {
            Some(Parts::Whole { year: year_of(one)?, month, day: number(three)? })
        }
        (_, Some(month)) => Some(Parts::Whole { year: year_of(three)?, month, day: number(one)? }),
        _ if one.len() == 4 => {
            Some(Parts::Whole { year: year_of(one)?, month: number(two)?, day: number(three)? })
        }
        // With points it is always the day that comes first.
        _ if text.contains('.') => {
            Some(Parts::Whole { year: year_of(three)?, month: number(two)?, day: number(one)? })
        }
        _ => Some(Parts::Open { first: number(one)?, second: number(two)?, year: year_of(three)? }),
    }
}

/// `19JAN24`, as in the symbols of options.
fn compact(text: &str) -> Option<Parts> {
    let begins = text.find(|letter: char| letter.is_ascii_alphabetic())?;
    let (day, rest) = text.split_at_checked(begins)?;
    let (month, year) = rest.split_at_checked(3)?;
    Some(Parts::Whole { year: year_of(year)?, month: month_of(month)?, day: number(day)? })
}

/// What stands before the time: `2024-01-05T09:30:00Z`, `2024-01-05, 09:30:00`, `1/5/2024 9:30 AM`.
fn without_time(text: &str) -> &str {
    if let Some((date, _)) = text.split_once('T')
        && date.len() == 10
        && date.as_bytes().first().is_some_and(u8::is_ascii_digit)
    {
        return date;
    }
    let Some(colon) = text.find(':') else { return text };
    let hours = text[..colon].rfind([' ', ',', ';']).unwrap_or(0);
    text[..hours].trim_end_matches([' ', ',', ';'])
}

fn month_of(text: &str) -> Option<u32> {
    let text = text.trim_end_matches('.').to_ascii_lowercase();
    let at = MONTHS.iter().position(|name| *name == text);
    let at = at.or_else(|| MONTHS_WHOLE.iter().position(|name| *name == text));
    let at = at.or((text == "sept").then_some(8));
    u32::try_from(at?).ok().map(|at| at + 1)
}

fn year_of(text: &str) -> Option<i32> {
    let text = text.trim_start_matches('\'');
    let year: i32 = text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    match text.len() {
        4 => Some(year),
        2 => Some(2000 + year),
        _ => None,
    }
}

fn number(text: &str) -> Option<u32> {
    let is_short = (1..=2).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_short)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_their_forms() {
        let expected = NaiveDate::from_ymd_opt(2024, 1, 25).unwrap();
        for text in [
            "2024-01-25",
            "2024/01/25",
            "2024-1-25",
            "20240125",
            "25.01.2024",
            "25.1.24",
            "01/25/2024",
            "25/01/2024",
            "1/25/24",
            "25-Jan-2024",
            "25-JAN-24",
            "Jan 25, 2024",
            "January 25, 2024",
            "25 January 2024",
            "Jan-25-2024",
            "2024-Jan-25",
            "25JAN24",
            "2024-01-25T23:00:00.000Z",
            "2024-01-25 23:00:00",
            "2024-01-25, 09:47:33 EDT",
            "1/25/2024 9:30 AM",
        ] {
            assert_eq!(parse(text, None), Ok(expected), "{text}");
        }
        for text in [
            "",
            "today",
            "2024-13-01",
            "2024-02-30",
            "31/31/2024",
            "1/2",
            "12345678901",
            "2024",
            "25 Foo 2024",
            "1/2/3/4",
        ] {
            assert_eq!(parse(text, None), Err(Wrong::NoDate), "{text}");
        }
    }

    #[test]
    fn an_open_order_is_decided_by_the_file_or_an_error() {
        assert_eq!(parse("03/04/2024", None), Err(Wrong::Ambiguous));
        assert_eq!(parse("04/04/2024", None), Ok(NaiveDate::from_ymd_opt(2024, 4, 4).unwrap()));
        let march = NaiveDate::from_ymd_opt(2024, 3, 4).unwrap();
        assert_eq!(parse("03/04/2024", Some(Order::MonthFirst)), Ok(march));
        assert_eq!(parse("04/03/2024", Some(Order::DayFirst)), Ok(march));
        assert_eq!(order_of(["03/04/2024", "12/31/2024"].into_iter()), Some(Order::MonthFirst));
        assert_eq!(order_of(["03/04/2024", "31/12/2024"].into_iter()), Some(Order::DayFirst));
        assert_eq!(order_of(["31/12/2024", "12/31/2024"].into_iter()), None);
        assert_eq!(parse("31/12/2024", Some(Order::MonthFirst)), Err(Wrong::NoDate));
    }

    #[test]
    fn a_date_is_found_within_a_sentence() {
        let day = NaiveDate::from_ymd_opt(2025, 5, 4);
        for text in [
            "Positions for account Individual ...123 as of 12:33 PM ET, 2025/05/04",
            "Date downloaded 05/04/2025 3:45 PM ET",
            "Generated at May 4, 2025 04:00 PM ET",
            "Generated at May 04 2025 04:00 PM ET",
        ] {
            assert_eq!(within(text, Order::MonthFirst), day, "{text}");
        }
        assert_eq!(within("Positions for account ...12345678", Order::MonthFirst), None);
    }
}
