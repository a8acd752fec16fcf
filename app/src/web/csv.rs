//! CSV files (RFC 4180) that spreadsheets open without running anything.
//!
//! A text that begins with `=`, `+`, `-`, `@`, a tab or a line's end would be taken for a
//! formula: it gets a leading apostrophe. Numbers and dates are no texts and stay as they are.

use std::fmt::Write;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use sea_orm::prelude::Decimal;

/// What a spreadsheet may take for the beginning of a formula.
const FORMULA: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\n'];

/// A cell.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell {
    /// What somebody wrote.
    Text(String),
    /// Its digits.
    Number(Decimal),
    /// Without a fraction.
    Whole(i64),
    /// As `2026-11-21`.
    Day(NaiveDate),
    /// As `2026-11-21T20:15:00Z`.
    Time(DateTime<Utc>),
    /// None.
    Empty,
}

impl Cell {
    /// A text, or nothing.
    pub fn text(text: Option<&str>) -> Self {
        text.map_or(Self::Empty, |text| Self::Text(text.to_owned()))
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Decimal> for Cell {
    fn from(number: Decimal) -> Self {
        Self::Number(number)
    }
}

impl From<i64> for Cell {
    fn from(number: i64) -> Self {
        Self::Whole(number)
    }
}

impl From<NaiveDate> for Cell {
    fn from(day: NaiveDate) -> Self {
        Self::Day(day)
    }
}

impl From<DateTime<Utc>> for Cell {
    fn from(time: DateTime<Utc>) -> Self {
        Self::Time(time)
    }
}

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

/// A file in the making.
#[derive(Clone, Debug, Default)]
pub struct Csv {
    text: String,
}

impl Csv {
    /// A file with this first line.
    pub fn new(columns: &[&str]) -> Self {
        let mut csv = Self::default();
        let names: Vec<Cell> = columns.iter().map(|name| Cell::from(*name)).collect();
        csv.row(&names);
        csv
    }

    /// Adds a line.
    pub fn row(&mut self, cells: &[Cell]) {
        for (index, cell) in cells.iter().enumerate() {
            if index > 0 {
                self.text.push(',');
            }
            self.cell(cell);
        }
        self.text.push_str("\r\n");
    }

    fn cell(&mut self, cell: &Cell) {
        // A String takes whatever is written to it.
        let _ = match cell {
            Cell::Text(text) => {
                self.quoted(text);
                Ok(())
            }
            Cell::Number(number) => write!(self.text, "{}", number.normalize()),
            Cell::Whole(number) => write!(self.text, "{number}"),
            Cell::Day(day) => write!(self.text, "{day}"),
            Cell::Time(time) => {
                self.text.push_str(&time.to_rfc3339_opts(SecondsFormat::Secs, true));
                Ok(())
            }
            Cell::Empty => Ok(()),
        };
    }

    fn quoted(&mut self, text: &str) {
        let is_formula = text.starts_with(FORMULA);
        let needs_quotes = text.contains([',', '"', '\r', '\n', '\t']) || text.starts_with(' ');
        if needs_quotes {
            self.text.push('"');
        }
        if is_formula {
            self.text.push('\'');
        }
        if needs_quotes {
            self.text.push_str(&text.replace('"', "\"\""));
            self.text.push('"');
        } else {
            self.text.push_str(text);
        }
    }

    /// The text so far.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The answer: a file of this name, which is made of letters, digits, `-`, `_` and `.`.
    pub fn attached(self, file_name: &str) -> Response {
        let named = format!("attachment; filename=\"{file_name}\"");
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, named),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        (headers, self.text).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_neutralised_and_numbers_are_not() {
        let mut csv = Csv::new(&["text", "number"]);
        for (text, written) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "\"'\t=1\""),
            ("\r=1", "\"'\r=1\""),
            ("=HYPERLINK(\"x\",\"y\")", "\"'=HYPERLINK(\"\"x\"\",\"\"y\"\")\""),
            ("plain", "plain"),
            ("a, b", "\"a, b\""),
            ("a-b=c", "a-b=c"),
            ("two\nlines", "\"two\nlines\""),
            ("", ""),
        ] {
            let mut line = Csv::default();
            line.row(&[text.into(), Decimal::new(-1250, 2).into()]);
            assert_eq!(line.as_str(), format!("{written},-12.5\r\n"), "{text:?}");
            csv.row(&[text.into(), Decimal::ONE.into()]);
        }
        assert!(csv.as_str().starts_with("text,number\r\n"));
    }

    #[test]
    fn every_kind_of_cell_has_its_spelling() {
        let mut csv = Csv::default();
        let day = NaiveDate::from_ymd_opt(2026, 11, 21).unwrap();
        let time = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        csv.row(&[
            day.into(),
            time.into(),
            (-3_i64).into(),
            Cell::Empty,
            Cell::text(None),
            None::<i64>.into(),
        ]);
        assert_eq!(csv.as_str(), "2026-11-21,2023-11-14T22:13:20Z,-3,,,\r\n");
    }
}
