//! What became of a file, for whoever sent it.

use chrono::NaiveDate;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::format::Format;
use super::issue::Issue;
use super::reading::{Lot, Reading};
use crate::web::{Money, Problem};

/// Findings that are listed.
const LISTED_MAX: usize = 1000;
/// Lots that a preview shows.
const SHOWN_MAX: usize = 200;

/// What became of an import.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Report {
    /// Where it went; none: nowhere.
    pub portfolio_id: Option<Uuid>,
    /// How the file is written.
    pub format: Option<Format>,
    /// Nothing was to be stored.
    pub preview: bool,
    /// Something was, or everything was there already.
    pub stored: bool,
    /// Rows of the file; each is used, rejected or noted.
    pub rows: usize,
    /// Rows that lots, closes and capital were made of.
    pub used: usize,
    /// Wrong rows.
    pub rejected: usize,
    /// Rows that are no lot, close or capital; `notes` says what.
    pub noted: usize,
    /// Lots that are new.
    pub created: usize,
    /// Lots that were there.
    pub unchanged: usize,
    /// Lots that had been deleted and are there again.
    pub revived: usize,
    /// Lots that had been deleted and stay so.
    pub deleted: usize,
    /// Closes that are new.
    pub closes_created: usize,
    /// Closes that were there.
    pub closes_unchanged: usize,
    /// Contributions and withdrawals that are new.
    pub equity_changes_created: usize,
    /// Contributions and withdrawals that were there.
    pub equity_changes_unchanged: usize,
    /// How the columns were understood.
    pub columns: Vec<ColumnMeaning>,
    /// Columns that were not used.
    pub unused_columns: Vec<String>,
    /// Wrong cells and rows; at most 1,000 are listed.
    pub errors: Vec<Issue>,
    /// How many there are.
    pub error_count: usize,
    /// What is not used, and what was taken for granted; at most 1,000 are listed.
    pub notes: Vec<Issue>,
    /// How many there are.
    pub note_count: usize,
    /// Of a preview, the first 200 lots.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub lots: Vec<LotPreview>,
}

/// A column and its meaning.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ColumnMeaning {
    /// Its heading.
    pub column: String,
    /// What it means, as a mapping names it.
    pub field: &'static str,
}

/// A lot of a file.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct LotPreview {
    /// The row that opened it.
    pub line: u64,
    /// As it is stored.
    pub symbol: String,
    /// `LONG`, `SHORT`, `LC`, `LP`, `SC` or `SP`.
    #[schema(value_type = String)]
    pub position_type: entity::core::position::PositionType,
    /// `PUBLIC`, `OPTIONS` or `PRIVATE`.
    #[schema(value_type = String)]
    pub investment_class: entity::core::position::InvestmentClass,
    /// Signed.
    pub quantity: Money,
    /// What of it is closed.
    pub closed_quantity: Money,
    /// A unit.
    pub entry_price: Money,
    /// When it was opened.
    pub entry_date: NaiveDate,
    /// In which it trades; none: the portfolio's.
    pub currency: Option<String>,
}

/// A refused import: the problem, and what was read.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Refusal {
    /// As of every other refusal.
    #[serde(flatten)]
    pub problem: Problem,
    /// What was read, with the errors of each row.
    pub import: Report,
}

impl Report {
    /// Of a file that was read, before anything is stored.
    pub(super) fn of(reading: &Reading, is_preview: bool) -> Self {
        let shown = if is_preview { SHOWN_MAX } else { 0 };
        let listed = |issues: &[Issue]| issues.iter().take(LISTED_MAX).cloned().collect();
        let columns = reading.columns.iter();
        let columns = columns.map(|(column, field)| ColumnMeaning { column: column.clone(), field });
        Self {
            portfolio_id: None,
            format: reading.format,
            preview: is_preview,
            stored: false,
            rows: reading.rows,
            used: reading.used,
            rejected: reading.rejected,
            noted: reading.noted,
            created: 0,
            unchanged: 0,
            revived: 0,
            deleted: 0,
            closes_created: 0,
            closes_unchanged: 0,
            equity_changes_created: 0,
            equity_changes_unchanged: 0,
            columns: columns.collect(),
            unused_columns: reading.unused_columns.clone(),
            errors: listed(&reading.errors),
            error_count: reading.errors.len(),
            notes: listed(&reading.notes),
            note_count: reading.notes.len(),
            lots: reading.lots.iter().take(shown).map(LotPreview::from).collect(),
        }
    }
}

impl From<&Lot> for LotPreview {
    fn from(lot: &Lot) -> Self {
        Self {
            line: lot.line,
            symbol: lot.symbol.clone(),
            position_type: lot.position_type,
            investment_class: lot.class,
            quantity: Money(lot.quantity),
            closed_quantity: Money(lot.closes.iter().map(|close| close.quantity).sum()),
            entry_price: Money(lot.entry_price),
            entry_date: lot.entry_date,
            currency: lot.currency.clone(),
        }
    }
}
