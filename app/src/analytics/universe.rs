//! Prices of all portfolios of a run, read once.

use std::sync::Arc;

use chrono::NaiveDate;
use entity::ids::PortfolioId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::sql;
use crate::db::CoreDb;
use crate::error::Result;
use crate::market::Market;
use crate::portfolio::figures::Needs;
use crate::portfolio::lots;

/// Closes that are held in memory for a run: 160 MB. Of more, each transaction reads its own.
const CLOSES_MAX: i64 = 8_000_000;

/// Prices that were read before any portfolio was.
#[derive(Clone, Debug)]
pub(super) struct Universe {
    pub(super) market: Arc<Market>,
    from: NaiveDate,
    to: NaiveDate,
}

impl Universe {
    /// Whether everything that is needed is in it.
    pub(super) fn covers(&self, needs: &Needs, to: NaiveDate) -> bool {
        self.from <= needs.from
            && to <= self.to
            && needs.symbols.iter().all(|symbol| self.market.index_of(symbol).is_some())
    }
}

#[derive(FromQueryResult)]
struct Held {
    symbols: Option<Vec<String>>,
    currencies: Option<Vec<String>>,
    first_expiration: Option<NaiveDate>,
}

/// Reads the closes of every symbol that these portfolios hold. None: there are too many.
pub(super) async fn load(
    core: &CoreDb,
    ids: &[PortfolioId],
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Option<Universe>> {
    let ids: Vec<Uuid> = ids.iter().map(|id| id.0).collect();
    let held = Held::find_by_statement(sql(
        "WITH lots AS (SELECT * FROM positions WHERE portfolio_id = ANY ($1) AND deleted_at IS NULL),
              market AS (SELECT * FROM lots WHERE investment_class <> 'PRIVATE')
         SELECT (SELECT array_agg(DISTINCT symbol) FROM (
                   SELECT symbol FROM market UNION ALL
                   SELECT underlying_symbol FROM market WHERE underlying_symbol IS NOT NULL) AS symbols) AS symbols,
                (SELECT array_agg(DISTINCT currency) FROM (
                   SELECT currency FROM lots UNION ALL
                   SELECT currency FROM portfolios WHERE id = ANY ($1)) AS currencies) AS currencies,
                (SELECT min(expiration_date) FROM market
                  WHERE exit_date IS NULL OR exit_date >= $2) AS first_expiration",
        [ids.into(), from.into()],
    ));
    let Some(held) = held.one(core).await? else { return Ok(None) };
    let needs = Needs {
        symbols: held.symbols.unwrap_or_default(),
        currencies: held.currencies.unwrap_or_default(),
        from: held.first_expiration.map_or(from, |first| first.min(from)),
    };
    let counted = core.query_one_raw(sql(
        "SELECT count(*) FROM market_data_cache WHERE symbol = ANY ($1) AND date BETWEEN $2 AND $3 AND close > 0",
        [needs.symbols.clone().into(), needs.from.into(), to.into()],
    ));
    let closes: i64 = counted.await?.map(|row| row.try_get_by_index(0)).transpose()?.unwrap_or_default();
    if closes > CLOSES_MAX {
        return Ok(None);
    }
    let market = lots::prices(core, &needs, to).await?;
    Ok(Some(Universe { market: Arc::new(market), from: needs.from, to }))
}
