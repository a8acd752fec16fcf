//! History of a portfolio, from its snapshots.

use chrono::{Datelike, NaiveDate};
use entity::core::portfolio_snapshot;
use entity::ids::PortfolioId;
use sea_orm::prelude::Decimal;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::CoreDb;
use crate::error::Result;
use crate::web::Money;

/// A day of a portfolio.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Day {
    /// Trading day.
    pub date: NaiveDate,
    /// Equity: positions and cash.
    pub total_value: Money,
    /// What is not in positions.
    pub cash_value: Money,
    /// All positions' values without their sign.
    pub gross_exposure: Money,
    /// Positions, long and short.
    pub net_exposure: Money,
    /// Open lots.
    pub num_positions: i32,
    /// P&L since the snapshot before.
    pub daily_pnl: Money,
    /// The same over the capital it was made with, as a fraction.
    pub daily_return: Option<f64>,
    /// Put in less taken out since the snapshot before.
    pub capital_flow: Money,
    /// P&L since the beginning.
    pub cumulative_pnl: Money,
    /// Time-weighted return since the beginning, as a fraction.
    pub cumulative_return: Option<f64>,
    /// Every position could be valued.
    pub is_complete: bool,
}

impl From<portfolio_snapshot::Model> for Day {
    fn from(row: portfolio_snapshot::Model) -> Self {
        Self {
            date: row.snapshot_date,
            total_value: Money(row.total_value),
            cash_value: Money(row.cash_value),
            gross_exposure: Money(row.gross_exposure),
            net_exposure: Money(row.net_exposure),
            num_positions: row.num_positions,
            daily_pnl: Money(row.daily_pnl),
            daily_return: row.daily_return,
            capital_flow: Money(row.daily_capital_flow),
            cumulative_pnl: Money(row.cumulative_pnl),
            cumulative_return: row.cumulative_return,
            is_complete: row.is_complete,
        }
    }
}

/// The newest snapshots up to a day, at most `limit`, oldest first; and whether there are older ones.
pub async fn days(core: &CoreDb, id: PortfolioId, upto: NaiveDate, limit: u64) -> Result<(Vec<Day>, bool)> {
    let mut rows = portfolio_snapshot::Entity::find()
        .filter(portfolio_snapshot::Column::PortfolioId.eq(id))
        .filter(portfolio_snapshot::Column::SnapshotDate.lte(upto))
        .order_by_desc(portfolio_snapshot::Column::SnapshotDate)
        .limit(limit + 1)
        .all(core)
        .await?;
    let has_more = rows.len() as u64 > limit;
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    rows.reverse();
    Ok((rows.into_iter().map(Day::from).collect(), has_more))
}

/// All P&L up to the end of the month and of the year before this day; nothing before the first snapshot.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Earlier {
    pub(super) month: Decimal,
    pub(super) year: Decimal,
}

pub(super) async fn earlier(core: &CoreDb, id: PortfolioId, day: NaiveDate) -> Result<Earlier> {
    let month = day.with_day(1).unwrap_or(day);
    let year = month.with_month(1).unwrap_or(month);
    let upto = "(SELECT cumulative_pnl FROM portfolio_snapshots
                  WHERE portfolio_id = $1 AND snapshot_date < ";
    let newest = "ORDER BY snapshot_date DESC LIMIT 1)";
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!("SELECT coalesce({upto} $2 {newest}, 0) AS month, coalesce({upto} $3 {newest}, 0) AS year"),
        [id.0.into(), month.into(), year.into()],
    );
    let Some(row) = core.query_one_raw(statement).await? else { return Ok(Earlier::default()) };
    Ok(Earlier { month: row.try_get("", "month")?, year: row.try_get("", "year")? })
}
