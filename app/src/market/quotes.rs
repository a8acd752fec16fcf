//! The newest closes, and how they changed.

use std::collections::HashMap;

use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use sea_orm::{DbBackend, Statement};
use serde::Serialize;
use utoipa::ToSchema;

use crate::db::CoreConn;
use crate::error::Result;
use crate::web::Money;

/// The newest close of a symbol.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Quote {
    /// The symbol.
    pub symbol: String,
    /// Of its prices; null: not known.
    pub currency: Option<String>,
    /// Day of the close.
    pub date: NaiveDate,
    /// The close.
    pub price: Money,
    /// The close before, in units of today where the share was split in between; null: there is none.
    pub previous_close: Option<Money>,
    /// Its day.
    pub previous_date: Option<NaiveDate>,
    /// Price less the close before.
    pub change: Option<Money>,
    /// The same as a fraction of the close before.
    pub change_ratio: Option<f64>,
    /// Where the close is from.
    pub data_source: String,
}

/// The newest closes up to a day (today, if none is given), by symbol; symbols without any are left out.
pub async fn quotes(
    core: &impl CoreConn,
    symbols: &[String],
    as_of: Option<NaiveDate>,
) -> Result<Vec<Quote>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT wanted.symbol, known.currency, price.date, price.close, price.data_source,
                before.date AS previous_date, before.close AS previous_close,
                (SELECT coalesce(array_agg(value), '{}') FROM corporate_actions AS action
                  WHERE action.symbol = wanted.symbol AND kind = 'split'
                    AND ex_date > before.date AND ex_date <= price.date) AS splits
           FROM (SELECT DISTINCT unnest($1::text[]) AS symbol) AS wanted
           LEFT JOIN symbol_universe AS known USING (symbol)
          CROSS JOIN LATERAL (
                SELECT date, close, data_source FROM market_data_cache AS price
                 WHERE price.symbol = wanted.symbol AND date <= coalesce($2, CURRENT_DATE) ORDER BY date DESC LIMIT 1
                ) AS price
           LEFT JOIN LATERAL (
                SELECT date, close FROM market_data_cache AS earlier
                 WHERE earlier.symbol = wanted.symbol AND earlier.date < price.date ORDER BY date DESC LIMIT 1
                ) AS before ON true
          ORDER BY wanted.symbol",
        [symbols.to_vec().into(), as_of.into()],
    );
    let mut quotes = Vec::new();
    for row in core.query_all_raw(statement).await? {
        let price: Decimal = row.try_get_by("close")?;
        let splits: Vec<Decimal> = match row.try_get_from_sqlx_postgres("splits") {
            Some(read) => read.map_err(sea_orm::DbErr::from)?,
            None => Vec::new(),
        };
        let factor = splits.into_iter().try_fold(Decimal::ONE, Decimal::checked_mul);
        let stored: Option<Decimal> = row.try_get_by("previous_close")?;
        // To the digits that prices are stored with.
        let previous = stored
            .zip(factor)
            .and_then(|(close, factor)| close.checked_div(factor))
            .map(|close| close.round_dp(8));
        let change = previous.map(|previous| price - previous);
        quotes.push(Quote {
            symbol: row.try_get_by("symbol")?,
            currency: row.try_get_by("currency")?,
            date: row.try_get_by("date")?,
            price: price.into(),
            previous_close: previous.map(Money),
            previous_date: row.try_get_by("previous_date")?,
            change: change.map(Money),
            change_ratio: change.zip(previous).and_then(|(change, previous)| ratio(change, previous)),
            data_source: row.try_get_by("data_source")?,
        });
    }
    Ok(quotes)
}

fn ratio(change: Decimal, previous: Decimal) -> Option<f64> {
    f64::try_from(change.checked_div(previous)?).ok()
}

/// The newest close of each symbol, by symbol.
pub async fn latest(
    core: &impl CoreConn,
    symbols: &[String],
    as_of: Option<NaiveDate>,
) -> Result<HashMap<String, super::Close>> {
    let quotes = quotes(core, symbols, as_of).await?;
    let close = |quote: Quote| (quote.symbol, super::Close { date: quote.date, price: quote.price.0 });
    Ok(quotes.into_iter().map(close).collect())
}
