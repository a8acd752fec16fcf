//! What reading a file comes to.

use chrono::NaiveDate;
use entity::core::position::{InvestmentClass, PositionType};
use sea_orm::prelude::Decimal;

use super::contract::Contract;
use super::date::Order;
use super::field::Field;
use super::format::Format;
use super::issue::Issue;

/// How a file is to be read.
#[derive(Clone, Debug)]
pub struct Options {
    /// None: it is told by the heading.
    pub format: Option<Format>,
    /// Headings and their meanings; empty: they are told by the heading.
    pub mapping: Vec<(String, Field)>,
    /// None: the dates of the file decide.
    pub order: Option<Order>,
    /// The day on which lots without one were opened; none: the file's own day, else today.
    pub entry_date: Option<NaiveDate>,
    /// Nothing that was done lies after it.
    pub today: NaiveDate,
}

/// A lot of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Lot {
    /// Of the row that opened it.
    pub line: u64,
    /// As it is stored.
    pub symbol: String,
    /// Long or short; share, call or put.
    pub position_type: PositionType,
    /// What kind of market it has.
    pub class: InvestmentClass,
    /// Finer than the class.
    pub subtype: Option<String>,
    /// Negative when short.
    pub quantity: Decimal,
    /// Units of the underlying a contract.
    pub multiplier: Decimal,
    /// A unit.
    pub entry_price: Decimal,
    /// When it was opened.
    pub entry_date: NaiveDate,
    /// The file says so.
    pub is_dated: bool,
    /// None: the portfolio's.
    pub currency: Option<String>,
    /// Of options.
    pub contract: Option<Contract>,
    /// The owner's words.
    pub notes: Option<String>,
    /// What was closed of it, in order.
    pub closes: Vec<Close>,
}

/// A close of a lot, in units of its entry.
#[derive(Clone, Debug, PartialEq)]
pub struct Close {
    /// Of the row that closed it.
    pub line: u64,
    /// When.
    pub date: NaiveDate,
    /// How much, without sign.
    pub quantity: Decimal,
    /// A unit.
    pub price: Decimal,
}

/// Capital that came in, or went out when negative.
#[derive(Clone, Debug, PartialEq)]
pub struct Flow {
    /// Of its row.
    pub line: u64,
    /// When.
    pub date: NaiveDate,
    /// How much, in cents.
    pub amount: Decimal,
    /// None: the portfolio's.
    pub currency: Option<String>,
}

/// Everything a file says. Every row is in exactly one of the counts.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// None: not even that is known.
    pub format: Option<Format>,
    /// Headings and their meanings.
    pub columns: Vec<(String, &'static str)>,
    /// Headings that are not used.
    pub unused_columns: Vec<String>,
    /// In order of the file.
    pub lots: Vec<Lot>,
    /// In order of the file.
    pub flows: Vec<Flow>,
    /// What is wrong.
    pub errors: Vec<Issue>,
    /// What is not used, and what was taken for granted.
    pub notes: Vec<Issue>,
    /// Rows behind the heading that are not blank.
    pub rows: usize,
    /// Of these, what lots, closes and flows were made of.
    pub used: usize,
    /// Of these, wrong ones.
    pub rejected: usize,
    /// Of these, ones that are no lot, close or flow.
    pub noted: usize,
}

impl Reading {
    /// A file that cannot be read at all.
    pub(super) fn refused(issue: Issue) -> Self {
        Self { errors: vec![issue], ..Self::default() }
    }

    /// A row that is not used, and why.
    pub(super) fn note(&mut self, issue: Issue) {
        self.noted += 1;
        self.notes.push(issue);
    }

    /// A row that is wrong, and why.
    pub(super) fn reject(&mut self, issues: Vec<Issue>) {
        self.rejected += 1;
        self.errors.extend(issues);
    }
}
