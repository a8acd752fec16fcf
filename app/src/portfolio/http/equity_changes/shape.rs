//! Contributions and withdrawals as they are asked for and answered.

use chrono::{DateTime, NaiveDate, Utc};
use entity::core::equity_change::{self, EquityChangeType};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::Change;
use crate::portfolio::day;
use crate::portfolio::equity_changes::{Summary, Totals};
use crate::web::{Cursor, Money, decimal, page, text};

const NOTES_CHARACTERS: usize = 500;

/// A contribution or withdrawal to be.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateEquityChange {
    /// `CONTRIBUTION` or `WITHDRAWAL`.
    #[garde(skip)]
    #[schema(value_type = String)]
    pub change_type: EquityChangeType,
    /// More than 0, to the cent, in the portfolio's currency.
    #[garde(custom(decimal::positive), custom(decimal::in_cents))]
    pub amount: Money,
    /// Not in the future (UTC).
    #[garde(custom(day::plausible))]
    pub change_date: NaiveDate,
    /// Your words, at most 500 characters.
    #[garde(length(chars, max = NOTES_CHARACTERS), inner(custom(text::no_nul)))]
    #[schema(max_length = 500)]
    pub notes: Option<String>,
}

/// What to correct in a contribution or withdrawal; what is absent stays.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditEquityChange {
    /// `CONTRIBUTION` or `WITHDRAWAL`.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    pub change_type: Option<EquityChangeType>,
    /// More than 0, to the cent.
    #[garde(inner(custom(decimal::positive), custom(decimal::in_cents)))]
    pub amount: Option<Money>,
    /// Not in the future (UTC).
    #[garde(inner(custom(day::plausible)))]
    pub change_date: Option<NaiveDate>,
    /// At most 500 characters; null takes them away.
    #[garde(custom(is_notes))]
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 500)]
    pub notes: Change<String>,
}

/// Which contributions and withdrawals to list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EquityChangeQuery {
    /// Rows a page, 1 to 200.
    #[garde(range(min = 1, max = page::LIMIT_MAX))]
    #[serde(default = "page::limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
    /// From this day on.
    #[garde(skip)]
    pub start_date: Option<NaiveDate>,
    /// Up to this day, and with it.
    #[garde(skip)]
    pub end_date: Option<NaiveDate>,
}

/// Which contributions and withdrawals to export.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExportQuery {
    /// From this day on.
    #[garde(skip)]
    pub start_date: Option<NaiveDate>,
    /// Up to this day, and with it.
    #[garde(skip)]
    pub end_date: Option<NaiveDate>,
}

/// A contribution or withdrawal.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EquityChange {
    /// Key.
    id: Uuid,
    /// Where.
    portfolio_id: Uuid,
    /// `CONTRIBUTION` or `WITHDRAWAL`.
    #[schema(value_type = String)]
    change_type: EquityChangeType,
    /// Without sign, in the portfolio's currency.
    amount: Money,
    /// When.
    change_date: NaiveDate,
    /// Your words.
    notes: Option<String>,
    /// When it was entered: it can be corrected for 7 days, and deleted for 30.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

impl From<equity_change::Model> for EquityChange {
    fn from(row: equity_change::Model) -> Self {
        Self {
            id: row.id.0,
            portfolio_id: row.portfolio_id.0,
            change_type: row.change_type,
            amount: row.amount.into(),
            change_date: row.change_date,
            notes: row.notes,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Sums of a span of days.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct EquityTotals {
    /// What came in.
    contributions: Money,
    /// What went out, without sign.
    withdrawals: Money,
    /// The difference.
    net_flow: Money,
    /// How many there were.
    changes: i64,
}

impl From<Totals> for EquityTotals {
    fn from(totals: Totals) -> Self {
        Self {
            contributions: totals.contributions.into(),
            withdrawals: totals.withdrawals.into(),
            net_flow: (totals.contributions - totals.withdrawals).into(),
            changes: totals.changes,
        }
    }
}

/// What came in and went out of a portfolio.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EquitySummary {
    /// Which.
    portfolio_id: Uuid,
    /// Of all sums.
    currency: String,
    /// Since the beginning.
    total: EquityTotals,
    /// Since the first of January (UTC).
    year_to_date: EquityTotals,
    /// Of the last 30 days.
    last_30_days: EquityTotals,
    /// Of the last 90 days.
    last_90_days: EquityTotals,
    /// The day of the first one.
    first_change_date: Option<NaiveDate>,
    /// The day of the last one.
    last_change_date: Option<NaiveDate>,
}

impl EquitySummary {
    pub(super) fn new(portfolio_id: Uuid, summary: Summary) -> Self {
        Self {
            portfolio_id,
            currency: summary.currency,
            total: summary.all.into(),
            year_to_date: summary.year_to_date.into(),
            last_30_days: summary.last_30_days.into(),
            last_90_days: summary.last_90_days.into(),
            first_change_date: summary.first_day,
            last_change_date: summary.last_day,
        }
    }
}

fn is_notes<C>(change: &Change<String>, _: &C) -> garde::Result {
    let Change::Set(text) = change else { return Ok(()) };
    if text.chars().count() > NOTES_CHARACTERS {
        return Err(garde::Error::new(format!("must have at most {NOTES_CHARACTERS} characters")));
    }
    text::no_nul(text, &())
}
