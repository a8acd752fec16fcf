//! A portfolio at the end of a day.

use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use serde::Serialize;

use super::account::Account;
use super::mark::Source;
use super::valuation::{Priced, Valued};
use crate::market::Market;

/// Its open lots, and what they come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Book {
    /// The day.
    pub day: NaiveDate,
    /// Open lots, in the account's order.
    pub positions: Vec<Valued>,
    /// Sums of their values.
    pub exposures: Exposures,
    /// How they were priced.
    pub quality: Quality,
}

/// Sums of values, in the portfolio's currency. Lots that cannot be valued count 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Exposures {
    /// Values above 0.
    pub long: Decimal,
    /// Values below 0; negative.
    pub short: Decimal,
    /// What the open units cost, signed.
    pub cost_basis: Decimal,
    /// Net value less cost.
    pub unrealized_pnl: Decimal,
    /// Open lots that are long.
    pub long_positions: i32,
    /// Open lots that are short.
    pub short_positions: i32,
}

impl Exposures {
    /// Long less short: all values without their sign.
    pub fn gross(&self) -> Decimal {
        self.long - self.short
    }

    /// Long and short.
    pub fn net(&self) -> Decimal {
        self.long + self.short
    }

    /// Open lots.
    pub fn positions(&self) -> i32 {
        self.long_positions + self.short_positions
    }
}

/// How open lots were priced: counts of lots.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, serde::Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct Quality {
    /// By the close of the day.
    pub close: u32,
    /// By a close of the ten calendar days before.
    pub stale: u32,
    /// By an older close.
    pub old: u32,
    /// By their owner's word.
    pub valuation: u32,
    /// By their entry price: nothing newer is known.
    pub entry: u32,
    /// Expired options, by the underlying's close at the expiration.
    pub intrinsic: u32,
    /// Expired options whose underlying has no close by then.
    pub unsettled: u32,
    /// Could not be valued: a rate of exchange is missing, or the sum is beyond what can be stored.
    pub unvalued: u32,
    /// Closes, dividends and flows so far that could not be counted for the same reasons.
    pub uncounted: u32,
}

impl Quality {
    /// Everything could be valued and counted.
    pub fn is_complete(&self) -> bool {
        self.unvalued == 0 && self.uncounted == 0
    }

    fn count(&mut self, source: Source) {
        let counter = match source {
            Source::Close => &mut self.close,
            Source::Stale => &mut self.stale,
            Source::Old => &mut self.old,
            Source::Valuation => &mut self.valuation,
            Source::Entry => &mut self.entry,
            Source::Intrinsic => &mut self.intrinsic,
            Source::Unsettled => &mut self.unsettled,
        };
        *counter += 1;
    }
}

/// Adds an open lot to what the others come to.
pub(super) fn add(exposures: &mut Exposures, quality: &mut Quality, valued: &Valued) {
    if valued.quantity.is_sign_negative() {
        exposures.short_positions += 1;
    } else {
        exposures.long_positions += 1;
    }
    let Some(worth) = valued.worth else {
        quality.unvalued += 1;
        return;
    };
    quality.count(valued.mark.source);
    if worth.market_value.is_sign_negative() {
        exposures.short += worth.market_value;
    } else {
        exposures.long += worth.market_value;
    }
    exposures.cost_basis += worth.cost_basis;
    exposures.unrealized_pnl += worth.unrealized_pnl;
}

/// The portfolio at the end of a day.
pub fn book(account: &Account, market: &Market, day: NaiveDate) -> Book {
    let positions: Vec<Valued> = Priced::new(account, market).on(day).collect();
    let (mut exposures, mut quality) = (Exposures::default(), Quality::default());
    for valued in &positions {
        add(&mut exposures, &mut quality, valued);
    }
    Book { day, positions, exposures, quality }
}
