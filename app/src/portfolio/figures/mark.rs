//! Marks: what a unit of a lot is worth at the end of a day, and by whose word.

use chrono::{Days, NaiveDate};
use entity::core::position::{InvestmentClass, PositionType};
use sea_orm::prelude::Decimal;
use serde::Serialize;

use super::account::{Contract, Lot};
use crate::market::Series;

/// A close this many calendar days old still counts as recent: longer than any holiday.
pub const STALE_DAYS_MAX: u64 = 10;

/// Whose word a mark is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The close of the day.
    Close,
    /// A close of the ten calendar days before.
    Stale,
    /// An older close.
    Old,
    /// The owner.
    Valuation,
    /// The entry: nothing newer is known.
    Entry,
    /// The underlying's close at the expiration.
    Intrinsic,
    /// What an expired option was last worth: the underlying has no close by then.
    Unsettled,
}

/// What a unit is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// A unit of the day that was asked for, in the lot's currency.
    pub price: Decimal,
    /// The day of the price; the entry's if nothing newer is known.
    pub day: NaiveDate,
    /// Whose word it is.
    pub source: Source,
}

/// A mark in units of its own day: later splits are not in it yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Quote {
    pub(super) price: Decimal,
    pub(super) day: NaiveDate,
    pub(super) source: Source,
    /// In the currency of the symbol's closes, not of the lot.
    pub(super) is_market: bool,
}

/// The newest word on a lot by the end of `day`.
pub(super) fn quote(lot: &Lot, series: &Series, underlying: &Series, day: NaiveDate) -> Quote {
    if let InvestmentClass::Private = lot.class {
        return without_market(lot, day);
    }
    let expired = lot.contract.as_ref().filter(|contract| contract.expires_on <= day);
    if let Some(contract) = expired {
        let settled = intrinsic(lot, contract, underlying);
        return settled
            .unwrap_or_else(|| Quote { source: Source::Unsettled, ..last_close(lot, series, day) });
    }
    last_close(lot, series, day)
}

fn last_close(lot: &Lot, series: &Series, day: NaiveDate) -> Quote {
    // What was paid before the lot was there says less than its own entry.
    let close = series.close_on_or_before(day).filter(|close| close.date >= lot.entry_date);
    let Some(close) = close else { return without_market(lot, day) };
    let source = if close.date == day {
        Source::Close
    } else if close.date + Days::new(STALE_DAYS_MAX) >= day {
        Source::Stale
    } else {
        Source::Old
    };
    Quote { price: close.price, day: close.date, source, is_market: true }
}

fn without_market(lot: &Lot, day: NaiveDate) -> Quote {
    let newest = lot.valuations.iter().rev().find(|valuation| valuation.day <= day);
    let (price, day, source) = match newest {
        Some(valuation) => (valuation.price, valuation.day, Source::Valuation),
        None => (lot.entry_price, lot.entry_date, Source::Entry),
    };
    Quote { price, day, source, is_market: false }
}

/// What an option is worth at its end. A split of the underlying changes what a
/// contract delivers and the strike a unit alike, so the contract is counted in
/// units of its beginning.
fn intrinsic(lot: &Lot, contract: &Contract, underlying: &Series) -> Option<Quote> {
    let close = underlying.close_on_or_before(contract.expires_on)?;
    if close.date < lot.entry_date {
        return None;
    }
    let spot = close.price.checked_mul(underlying.split_factor(lot.entry_date, close.date)?)?;
    let worth = match lot.kind {
        PositionType::LongCall | PositionType::ShortCall => spot - contract.strike,
        PositionType::LongPut | PositionType::ShortPut => contract.strike - spot,
        PositionType::Long | PositionType::Short => return None,
    };
    Some(Quote {
        price: worth.max(Decimal::ZERO),
        day: contract.expires_on,
        source: Source::Intrinsic,
        is_market: false,
    })
}
