//! What can be asked before a lot is made.

use chrono::NaiveDate;
use entity::core::position::{self, PositionType};
use entity::ids::{PortfolioId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::{ColumnTrait, DbBackend, QueryFilter, QueryOrder, QuerySelect, Statement};

use super::read::owned;
use crate::db::CoreConn;
use crate::error::Result;
use crate::portfolio::find_owned;

/// Lots that are shown as alike.
const ALIKE_MAX: u64 = 100;

/// What is known of a symbol.
#[derive(Clone, Debug)]
pub(crate) struct Symbol {
    pub(crate) is_known: bool,
    pub(crate) asset_type: Option<String>,
    pub(crate) currency: Option<String>,
    pub(crate) last_close: Option<Decimal>,
    pub(crate) last_close_date: Option<NaiveDate>,
}

/// What the market data have of a symbol, with one query.
pub(crate) async fn symbol(core: &impl CoreConn, symbol: &str) -> Result<Symbol> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT known.symbol IS NOT NULL OR last.date IS NOT NULL AS is_known, known.asset_type, known.currency,
                last.close, last.date
           FROM (SELECT $1::text AS symbol) AS given
           LEFT JOIN symbol_universe AS known ON known.symbol = given.symbol
           LEFT JOIN LATERAL (
               SELECT close, date FROM market_data_cache
                WHERE symbol = given.symbol ORDER BY date DESC LIMIT 1) AS last ON true",
        [symbol.into()],
    );
    let Some(row) = core.query_one_raw(statement).await? else {
        return Ok(Symbol {
            is_known: false,
            asset_type: None,
            currency: None,
            last_close: None,
            last_close_date: None,
        });
    };
    Ok(Symbol {
        is_known: row.try_get("", "is_known")?,
        asset_type: row.try_get("", "asset_type")?,
        currency: row.try_get("", "currency")?,
        last_close: row.try_get("", "close")?,
        last_close_date: row.try_get("", "date")?,
    })
}

/// Open lots of a portfolio with this symbol, of this type if it is given; the newest first.
pub(crate) async fn alike(
    core: &impl CoreConn,
    user: UserId,
    portfolio: PortfolioId,
    symbol: &str,
    position_type: Option<PositionType>,
) -> Result<Vec<position::Model>> {
    find_owned(core, user, portfolio).await?;
    let mut query = owned(user)
        .filter(position::Column::PortfolioId.eq(portfolio))
        .filter(position::Column::Symbol.eq(symbol))
        .filter(position::Column::ExitDate.is_null());
    if let Some(position_type) = position_type {
        query = query.filter(position::Column::PositionType.eq(position_type));
    }
    Ok(query
        .order_by_desc(position::Column::EntryDate)
        .order_by_desc(position::Column::Id)
        .limit(ALIKE_MAX)
        .all(core)
        .await?)
}
