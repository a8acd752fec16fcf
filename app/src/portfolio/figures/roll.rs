//! Equity from day to day.

use chrono::NaiveDate;
use rust_decimal::prelude::ToPrimitive;
use sea_orm::prelude::Decimal;

use super::amount::is_storable;
use super::book::{Exposures, Quality, add};
use super::ledger::{Ledger, Totals};
use super::returns::{chained, day_return};
use super::valuation::Priced;

/// A portfolio at the end of a day, and what became of it since the snapshot before.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// The day.
    pub day: NaiveDate,
    /// Equity: positions and cash.
    pub total_value: Decimal,
    /// What is not in positions; negative: borrowed.
    pub cash_value: Decimal,
    /// Sums of values, and counts.
    pub exposures: Exposures,
    /// Since the snapshot before, or since the beginning.
    pub daily: Totals,
    /// The same, of all P&L.
    pub daily_pnl: Decimal,
    /// P&L over the capital it was made with.
    pub daily_return: Option<f64>,
    /// Since the beginning.
    pub cumulative: Totals,
    /// The same, of all P&L.
    pub cumulative_pnl: Decimal,
    /// Time-weighted, since the beginning.
    pub cumulative_return: Option<f64>,
    /// How lots were priced.
    pub quality: Quality,
}

/// The snapshot before: what the next one is compared with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Before {
    /// Equity.
    pub total_value: Decimal,
    /// All P&L so far.
    pub cumulative_pnl: Decimal,
    /// Events so far.
    pub cumulative: Totals,
    /// Time-weighted return so far.
    pub cumulative_return: Option<f64>,
}

impl Before {
    /// Before the first snapshot: the capital at the beginning, and nothing has happened.
    fn beginning(equity_balance: Option<Decimal>) -> Self {
        Self {
            total_value: equity_balance.unwrap_or_default(),
            cumulative_pnl: Decimal::ZERO,
            cumulative: Totals::default(),
            cumulative_return: None,
        }
    }
}

impl From<&Snapshot> for Before {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            total_value: snapshot.total_value,
            cumulative_pnl: snapshot.cumulative_pnl,
            cumulative: snapshot.cumulative,
            cumulative_return: snapshot.cumulative_return,
        }
    }
}

impl Snapshot {
    /// Whether every sum can be stored.
    pub fn is_storable(&self) -> bool {
        let Self { exposures, cumulative, daily, .. } = self;
        [
            self.total_value,
            self.cash_value,
            self.daily_pnl,
            self.cumulative_pnl,
            exposures.gross(),
            exposures.cost_basis,
            exposures.unrealized_pnl,
            cumulative.realized,
            cumulative.income,
            cumulative.flow,
            daily.realized,
            daily.income,
            daily.flow,
        ]
        .into_iter()
        .all(is_storable)
    }
}

/// Snapshots of these days, oldest first. `before`: the one before the first of
/// them; none if the first is the portfolio's first.
///
/// Each says what changed since the one before, however long ago that is: a gap loses nothing.
pub fn roll(
    priced: &Priced<'_>,
    ledger: &Ledger,
    days: &[NaiveDate],
    before: Option<Before>,
) -> Vec<Snapshot> {
    let mut before = before.unwrap_or_else(|| Before::beginning(priced.account.equity_balance));
    let mut snapshots = Vec::with_capacity(days.len());
    for day in days {
        let snapshot = one(priced, ledger, *day, &before);
        before = Before::from(&snapshot);
        snapshots.push(snapshot);
    }
    snapshots
}

fn one(priced: &Priced<'_>, ledger: &Ledger, day: NaiveDate, before: &Before) -> Snapshot {
    let (mut exposures, mut quality) = (Exposures::default(), Quality::default());
    for valued in priced.on(day) {
        add(&mut exposures, &mut quality, &valued);
    }
    let cumulative = ledger.upto(day);
    quality.uncounted = cumulative.uncounted;
    let cumulative_pnl = exposures.unrealized_pnl + cumulative.realized + cumulative.income;
    let total_value = priced.account.equity_balance.unwrap_or_default() + cumulative.flow + cumulative_pnl;
    let daily = cumulative.since(&before.cumulative);
    let daily_pnl = cumulative_pnl - before.cumulative_pnl;
    let daily_return = day_return(number(daily_pnl), number(before.total_value), number(daily.flow));
    Snapshot {
        day,
        total_value,
        cash_value: total_value - exposures.net(),
        exposures,
        daily,
        daily_pnl,
        daily_return,
        cumulative,
        cumulative_pnl,
        cumulative_return: chained(before.cumulative_return, daily_return),
        quality,
    }
}

fn number(sum: Decimal) -> f64 {
    sum.to_f64().unwrap_or_default()
}
