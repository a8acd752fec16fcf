//! What a portfolio comes to, in one screen.

use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use super::complete::{PositionsSummary, summary};
use super::holdings::ratio;
use super::load::View;
use super::past::{Day, Earlier, earlier};
use crate::db::CoreDb;
use crate::error::Result;
use crate::portfolio::figures::{drawdown, money_weighted};
use crate::web::Money;

/// Snapshots that returns are computed from: forty years.
pub const DAYS_MAX: u64 = 10_000;

/// A sum, and its part of the equity as a fraction.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Share {
    /// The sum.
    pub amount: Money,
    /// Over the equity; null when there is none.
    pub of_equity: Option<f64>,
}

/// Sums of positions' values.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct ExposureShares {
    /// Values above 0.
    pub long: Share,
    /// Values below 0; negative.
    pub short: Share,
    /// All values without their sign.
    pub gross: Share,
    /// Long and short.
    pub net: Share,
}

/// P&L.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Pnl {
    /// Since the beginning.
    pub total: Money,
    /// Of open positions.
    pub unrealized: Money,
    /// Of closes.
    pub realized: Money,
    /// Of dividends.
    pub income: Money,
    /// Unrealised, since the close before the newest one.
    pub day: Money,
    /// Since the end of the month before, by its snapshot.
    pub mtd: Money,
    /// Since the end of the year before, by its snapshot.
    pub ytd: Money,
}

/// Returns, as fractions.
#[derive(Clone, Copy, Debug, Default, Serialize, ToSchema)]
pub struct Performance {
    /// Time-weighted, since the beginning, by snapshots.
    pub time_weighted: Option<f64>,
    /// Money-weighted, a year: what all flows would have earned at one rate.
    pub money_weighted: Option<f64>,
    /// The deepest fall of the time-weighted level below its peak; negative.
    pub max_drawdown: Option<f64>,
    /// Its fall below the peak now; negative or 0.
    pub drawdown: Option<f64>,
}

/// What a portfolio comes to.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Overview {
    /// Of every sum.
    pub currency: String,
    /// Positions and cash.
    pub equity: Money,
    /// The same: net asset value.
    pub nav: Money,
    /// What is not in positions; negative: borrowed.
    pub cash: Money,
    /// Gross exposure over equity.
    pub leverage: Option<f64>,
    /// Sums of positions' values.
    pub exposures: ExposureShares,
    /// P&L.
    pub pnl: Pnl,
    /// Returns.
    pub performance: Performance,
    /// How many positions of which kind.
    pub positions: PositionsSummary,
}

/// What a portfolio comes to. `past` are its snapshots, oldest first.
pub async fn overview(core: &CoreDb, view: &View, past: &[Day]) -> Result<Overview> {
    let before = earlier(core, view.row.id, view.book.day).await?;
    Ok(of(view, before, past))
}

fn of(view: &View, before: Earlier, past: &[Day]) -> Overview {
    let standing = &view.standing;
    let (equity, exposures) = (standing.total_value, &standing.exposures);
    let share = |amount: Decimal| Share { amount: Money(amount), of_equity: ratio(amount, equity) };
    let day = view.book.positions.iter().filter_map(|valued| view.day_pnl(valued)).sum();
    Overview {
        currency: view.row.currency.clone(),
        equity: Money(equity),
        nav: Money(equity),
        cash: Money(standing.cash_value),
        leverage: ratio(exposures.gross(), equity),
        exposures: ExposureShares {
            long: share(exposures.long),
            short: share(exposures.short),
            gross: share(exposures.gross()),
            net: share(exposures.net()),
        },
        pnl: Pnl {
            total: Money(standing.cumulative_pnl),
            unrealized: Money(exposures.unrealized_pnl),
            realized: Money(standing.cumulative.realized),
            income: Money(standing.cumulative.income),
            day: Money(day),
            mtd: Money(standing.cumulative_pnl - before.month),
            ytd: Money(standing.cumulative_pnl - before.year),
        },
        performance: performance(view, past),
        positions: summary(view),
    }
}

fn performance(view: &View, past: &[Day]) -> Performance {
    let returns: Vec<f64> = past.iter().filter_map(|day| day.daily_return).collect();
    let fall = (!returns.is_empty()).then(|| drawdown(&returns));
    Performance {
        time_weighted: past.last().and_then(|day| day.cumulative_return),
        money_weighted: money_weighted(&flows(view, past)),
        max_drawdown: fall.map(|fall| fall.worst),
        drawdown: fall.map(|fall| fall.current),
    }
}

/// What the owner put in (negative) and took out, and what is there now.
fn flows(view: &View, past: &[Day]) -> Vec<(NaiveDate, f64)> {
    let number = |amount: Decimal| f64::try_from(amount).unwrap_or_default();
    let first = past.first().map_or(view.book.day, |day| day.date);
    let capital = view.account.equity_balance.map(|capital| (first, -number(capital)));
    let moved = past.iter().map(|day| (day.date, -number(day.capital_flow.0)));
    let now = (view.book.day, number(view.standing.total_value));
    let flows = capital.into_iter().chain(moved).chain([now]);
    flows.filter(|(_, amount)| *amount != 0.0).collect()
}
