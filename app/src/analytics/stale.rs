//! Prices that changed make the figures of those who hold them stale.

use chrono::NaiveDate;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::sql;
use crate::db::{CoreDb, CoreTx};
use crate::error::Result;

/// Symbols a transaction.
const SYMBOLS_MAX: i64 = 2_000;

#[derive(FromQueryResult)]
struct Changed {
    symbol: String,
    changed_from: NaiveDate,
}

#[derive(FromQueryResult)]
struct Touched {
    portfolio_id: Uuid,
    changed_from: NaiveDate,
}

/// Tells portfolios what changed of their symbols, underlyings and rates of exchange.
/// Answers how many of them are stale by it.
pub async fn settle_changes(core: &CoreDb) -> Result<usize> {
    let mut touched = 0;
    let mut after = String::new();
    loop {
        let tx = core.begin().await?;
        let changed = Changed::find_by_statement(sql(
            "SELECT symbol, changed_from FROM symbol_universe
              WHERE changed_from IS NOT NULL AND symbol > $1 ORDER BY symbol LIMIT $2",
            [after.as_str().into(), SYMBOLS_MAX.into()],
        ));
        let changed = changed.all(&tx).await?;
        let Some(last) = changed.last() else { return Ok(touched) };
        after.clone_from(&last.symbol);
        touched += settle(&tx, &changed).await?;
        tx.commit().await?;
    }
}

/// Portfolios are locked before symbols, as by whoever adds a lot.
async fn settle(tx: &CoreTx, changed: &[Changed]) -> Result<usize> {
    let symbols: Vec<String> = changed.iter().map(|one| one.symbol.clone()).collect();
    let since: Vec<NaiveDate> = changed.iter().map(|one| one.changed_from).collect();
    let touched = Touched::find_by_statement(sql(TOUCHED, [symbols.clone().into(), since.clone().into()]));
    let touched = touched.all(tx).await?;
    let ids: Vec<Uuid> = touched.iter().map(|one| one.portfolio_id).collect();
    tx.query_all_raw(sql(
        "SELECT id FROM portfolios WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE",
        [ids.clone().into()],
    ))
    .await?;
    let stale_from: Vec<NaiveDate> = touched.iter().map(|one| one.changed_from).collect();
    tx.execute_raw(sql(
        "UPDATE portfolios SET stale_from = least(portfolios.stale_from, touched.since), revision = revision + 1
           FROM unnest($1::uuid[], $2::date[]) AS touched (id, since) WHERE portfolios.id = touched.id",
        [ids.into(), stale_from.into()],
    ))
    .await?;
    // Whoever imports the same symbols meanwhile waits here, and notes its change again. A change
    // from an earlier day that came since they were read stays for the next time.
    tx.query_all_raw(sql(
        "SELECT symbol FROM symbol_universe WHERE symbol = ANY ($1) ORDER BY symbol FOR UPDATE",
        [symbols.clone().into()],
    ))
    .await?;
    tx.execute_raw(sql(
        "UPDATE symbol_universe AS known SET changed_from = NULL
           FROM unnest($1::text[], $2::date[]) AS changed (symbol, since)
          WHERE known.symbol = changed.symbol AND known.changed_from >= changed.since",
        [symbols.into(), since.into()],
    ))
    .await?;
    Ok(touched.len())
}

// A rate between two others can go through the dollar, so a pair concerns whoever uses either side of it.
const TOUCHED: &str = "
WITH changed AS (SELECT * FROM unnest($1::text[], $2::date[]) AS changed (symbol, since)),
     lots AS (
       SELECT lot.portfolio_id, lot.symbol, lot.underlying_symbol, lot.currency, known.currency AS quoted,
              portfolio.currency AS home
         FROM positions AS lot JOIN portfolios AS portfolio ON portfolio.id = lot.portfolio_id
         LEFT JOIN symbol_universe AS known ON known.symbol = lot.symbol
        WHERE lot.deleted_at IS NULL AND portfolio.deleted_at IS NULL),
     pairs AS (SELECT left(symbol, 3) AS one, right(symbol, 3) AS other, since FROM changed
                WHERE symbol ~ '^[A-Z]{3}/[A-Z]{3}$'),
     abroad AS (SELECT DISTINCT portfolio_id, home, currency, quoted FROM lots
                 WHERE currency <> home OR quoted <> home)
SELECT portfolio_id, min(since) AS changed_from
  FROM (SELECT portfolio_id, since FROM lots JOIN changed ON changed.symbol = lots.symbol
         UNION ALL
        SELECT portfolio_id, since FROM lots JOIN changed ON changed.symbol = lots.underlying_symbol
         UNION ALL
        SELECT portfolio_id, since FROM abroad
          JOIN pairs ON one IN (home, currency, quoted) OR other IN (home, currency, quoted)) AS touched
 GROUP BY portfolio_id ORDER BY portfolio_id";
