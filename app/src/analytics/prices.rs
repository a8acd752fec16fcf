//! The phase of prices: what is held, and from when on its closes are needed.

use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};
use entity::ids::{BatchRunId, PortfolioId};
use sea_orm::FromQueryResult;

use super::log::{Level, say};
use super::sql;
use crate::db::CoreDb;
use crate::error::Result;
use crate::market;
use crate::state::AppState;

/// Symbols without an answer that the log names.
const FAILURES_NAMED_MAX: usize = 10;

#[derive(FromQueryResult)]
struct Needed {
    symbol: String,
    since: NaiveDate,
}

// A pair concerns whoever uses either of its currencies: a rate can go through the dollar.
const NEEDED: &str = "
WITH lots AS (
       SELECT lot.symbol, lot.underlying_symbol, lot.investment_class, lot.entry_date, lot.currency,
              portfolio.currency AS home
         FROM positions AS lot JOIN portfolios AS portfolio ON portfolio.id = lot.portfolio_id
        WHERE lot.deleted_at IS NULL AND portfolio.deleted_at IS NULL
          AND ($1::uuid IS NULL OR portfolio.id = $1)),
     abroad AS (SELECT currency, home, min(entry_date) AS since FROM lots WHERE currency <> home GROUP BY 1, 2)
SELECT symbol, min(since) AS since FROM (
       SELECT symbol, entry_date AS since FROM lots WHERE investment_class <> 'PRIVATE'
        UNION ALL
       SELECT underlying_symbol, entry_date FROM lots WHERE underlying_symbol IS NOT NULL
        UNION ALL
       SELECT pair.symbol, abroad.since FROM symbol_universe AS pair JOIN abroad
           ON left(pair.symbol, 3) IN (abroad.currency, home) OR right(pair.symbol, 3) IN (abroad.currency, home)
        WHERE pair.symbol ~ '^[A-Z]{3}/[A-Z]{3}$') AS needed
 GROUP BY symbol ORDER BY symbol";

/// Asks the provider for the closes that are missing, of all portfolios or of one.
/// Answers how many were new or changed.
pub(super) async fn fetch(
    state: &AppState,
    run: BatchRunId,
    portfolio: Option<PortfolioId>,
    to: NaiveDate,
) -> Result<u64> {
    let mut rows = 0;
    let mut unanswered: Vec<String> = Vec::new();
    let mut provider = None;
    for (since, symbols) in needed(&state.core, portfolio).await? {
        let fetched = market::fetch(state, &symbols, since, to).await?;
        rows += fetched.new + fetched.changed + fetched.events;
        provider = provider.or(fetched.provider);
        unanswered.extend(fetched.failed.into_iter().map(|failed| failed.symbol));
    }
    let said = match provider {
        Some(provider) => format!("{rows} closes and events from {provider}"),
        None => "no provider of prices is configured; what is stored is used".to_owned(),
    };
    say(&state.core, run, Level::Info, &said).await?;
    if !unanswered.is_empty() {
        let named = unanswered[..unanswered.len().min(FAILURES_NAMED_MAX)].join(", ");
        let said = format!("{} symbols without an answer: {named}", unanswered.len());
        say(&state.core, run, Level::Warning, &said).await?;
    }
    Ok(rows)
}

/// Symbols by the first day that is needed of them; those of a month together.
async fn needed(core: &CoreDb, portfolio: Option<PortfolioId>) -> Result<Vec<(NaiveDate, Vec<String>)>> {
    let statement = sql(NEEDED, [portfolio.map(|id| id.0).into()]);
    let mut months: BTreeMap<(i32, u32), (NaiveDate, Vec<String>)> = BTreeMap::new();
    for needed in Needed::find_by_statement(statement).all(core).await? {
        let month = (needed.since.year(), needed.since.month());
        let (since, symbols) = months.entry(month).or_insert_with(|| (needed.since, Vec::new()));
        *since = needed.since.min(*since);
        symbols.push(needed.symbol);
    }
    Ok(months.into_values().collect())
}
