//! The cells of a row by their meaning, with everything that is wrong with them.

use chrono::{Datelike, NaiveDate};
use sea_orm::prelude::Decimal;

use super::date::{self, Order};
use super::field::{Columns, Field};
use super::issue::{Code, Issue, quoted};
use super::number::{self, Mark};
use super::table::Row;

/// Earliest year.
const YEAR_MIN: i32 = 1900;
/// Latest year of an expiry.
const YEAR_MAX: i32 = 2200;

/// How a file writes numbers and dates.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) mark: Option<Mark>,
    pub(super) order: Option<Order>,
    /// Nothing that was done lies after it.
    pub(super) today: NaiveDate,
}

/// A row being read.
#[derive(Debug)]
pub(super) struct Cells<'a> {
    pub(super) row: &'a Row,
    pub(super) columns: &'a Columns,
    pub(super) style: Style,
    /// What was wrong so far.
    pub(super) issues: Vec<Issue>,
}

impl<'a> Cells<'a> {
    pub(super) fn new(row: &'a Row, columns: &'a Columns, style: Style) -> Self {
        Self { row, columns, style, issues: Vec::new() }
    }

    /// What a cell says; none if it is empty or there is none.
    pub(super) fn text(&self, field: Field) -> Option<&'a str> {
        let cell = self.row.cells.get(self.columns.place(field)?)?;
        Some(cell.as_str()).filter(|cell| !cell.is_empty() && *cell != "--")
    }

    /// The same of cells in which some programs write `n/a`.
    pub(super) fn said(&self, field: Field) -> Option<&'a str> {
        self.text(field).filter(|cell| !number::is_absent(cell))
    }

    pub(super) fn wrong(&mut self, field: Field, code: Code, message: impl Into<String>) {
        self.issues.push(Issue::cell(self.row.line, self.columns.heading(field), code, message));
    }

    /// Whether nothing was wrong so far.
    pub(super) fn is_right(&self) -> bool {
        self.issues.is_empty()
    }

    /// More filled cells than the heading has names: what they mean is not known.
    pub(super) fn check_width(&mut self) {
        let beyond = self.row.cells.iter().skip(self.columns.width).any(|cell| !cell.is_empty());
        if beyond {
            let message = format!(
                "the row has {} cells, the heading {}; is a text with the delimiter in it not quoted?",
                self.row.cells.len(),
                self.columns.width
            );
            self.issues.push(Issue::row(self.row.line, Code::TooManyCells, message));
        }
    }

    pub(super) fn number(&mut self, field: Field) -> Option<Decimal> {
        let cell = self.said(field)?;
        let (code, why) = match number::parse(cell, self.style.mark) {
            Ok(number) => return Some(number.normalize()),
            Err(number::Wrong::NoNumber) => (Code::BadNumber, "is no number"),
            Err(number::Wrong::Ambiguous) => {
                (Code::AmbiguousNumber, "can be read in two ways, and the file does not decide which")
            }
            Err(number::Wrong::TooManyDigits) => {
                (Code::TooManyDigits, "has more than 12 digits before or 8 after the point")
            }
        };
        self.wrong(field, code, format!("\"{}\" {why}", quoted(cell)));
        None
    }

    /// A price that a program computed.
    pub(super) fn average(&mut self, field: Field) -> Option<Decimal> {
        match number::rounded(self.said(field)?, self.style.mark) {
            Ok(price) if !price.is_sign_negative() => Some(price.normalize()),
            _ => self.price(field),
        }
    }

    /// A price: a number that is not negative.
    pub(super) fn price(&mut self, field: Field) -> Option<Decimal> {
        let price = self.number(field)?;
        if price.is_sign_negative() && !price.is_zero() {
            self.wrong(field, Code::NegativePrice, "must not be negative");
            return None;
        }
        Some(price)
    }

    /// A day that has been.
    pub(super) fn day(&mut self, field: Field) -> Option<NaiveDate> {
        let day = self.any_day(field)?;
        if day > self.style.today {
            self.wrong(field, Code::FutureDate, format!("{day} lies in the future"));
            return None;
        }
        Some(day)
    }

    /// A day that may be still to come.
    pub(super) fn any_day(&mut self, field: Field) -> Option<NaiveDate> {
        let cell = self.said(field)?;
        let (code, why) = match date::parse(cell, self.style.order) {
            Ok(day) if day.year() < YEAR_MIN => (Code::EarlyDate, "lies before 1900"),
            Ok(day) if day.year() > YEAR_MAX => (Code::BadDate, "is no date"),
            Ok(day) => return Some(day),
            Err(date::Wrong::NoDate) => (Code::BadDate, "is no date"),
            Err(date::Wrong::Ambiguous) => (
                Code::AmbiguousDate,
                "can be read in two ways, and the file does not decide which; say date_order=mdy or dmy",
            ),
        };
        self.wrong(field, code, format!("\"{}\" {why}", quoted(cell)));
        None
    }

    /// A currency's code of three letters.
    pub(super) fn currency(&mut self) -> Option<String> {
        let cell = self.said(Field::Currency)?;
        let code = cell.to_ascii_uppercase();
        if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
            return Some(code);
        }
        self.wrong(Field::Currency, Code::BadCurrency, format!("\"{}\" is no currency's code", quoted(cell)));
        None
    }

    /// A text of at most so many characters.
    pub(super) fn limited(&mut self, field: Field, characters: usize) -> Option<String> {
        let cell = self.text(field)?;
        if cell.chars().count() > characters {
            self.wrong(field, Code::LongText, format!("has more than {characters} characters"));
            return None;
        }
        Some(cell.to_owned())
    }
}
