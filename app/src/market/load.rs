//! Reading series out of the database: one row a symbol, its closes as arrays.

use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use sea_orm::{DbBackend, DbErr, QueryResult, Statement, Value};

use super::series::{Event, Market, Series};
use crate::db::CoreConn;
use crate::error::Result;

/// Symbols a query.
const SYMBOLS_PER_QUERY: usize = 500;
/// More pairs of currencies than there can be quoted sensibly.
const PAIRS_MAX: u64 = 2000;

/// Closes of these symbols from `from` to `to` and the newest one before `from`; every split and dividend up
/// to `to`; and every rate of every pair of currencies that is followed (`EUR/USD`), from its beginning to `to`.
///
/// A symbol of which nothing is known has an empty series. A day before `from` can be asked for,
/// but answers right only from the day of that newest earlier close on.
pub async fn load(
    core: &impl CoreConn,
    symbols: &[String],
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Market> {
    Ok(load_series(core, symbols, from, to).await?.with_rates(rates(core, None, to).await?))
}

/// The same with only the rates between these currencies (and the US dollar); of one currency, none.
pub async fn load_in(
    core: &impl CoreConn,
    symbols: &[String],
    currencies: &[String],
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Market> {
    let market = load_series(core, symbols, from, to).await?;
    let is_one = currencies.windows(2).all(|pair| pair[0] == pair[1]);
    if is_one {
        return Ok(market);
    }
    Ok(market.with_rates(rates(core, Some(currencies), to).await?))
}

async fn load_series(
    core: &impl CoreConn,
    symbols: &[String],
    from: NaiveDate,
    to: NaiveDate,
) -> Result<Market> {
    let mut wanted = symbols.to_vec();
    wanted.sort_unstable();
    wanted.dedup();
    let mut loaded = Vec::with_capacity(wanted.len());
    for some in wanted.chunks(SYMBOLS_PER_QUERY) {
        loaded.extend(read(core, SERIES, vec![some.to_vec().into(), from.into(), to.into()]).await?);
    }
    Ok(Market::of(loaded))
}

async fn rates(
    core: &impl CoreConn,
    currencies: Option<&[String]>,
    to: NaiveDate,
) -> Result<Vec<(String, Series)>> {
    let beginning = NaiveDate::default().min(to);
    let every_pair = r"SELECT symbol FROM symbol_universe
        WHERE symbol ~ '^[A-Z]{3}/[A-Z]{3}$'
          AND ($1::text[] IS NULL OR (left(symbol, 3) = ANY ($1 || '{USD}') AND right(symbol, 3) = ANY ($1 || '{USD}')))
        ORDER BY symbol LIMIT $2";
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        every_pair,
        [currencies.map(<[String]>::to_vec).into(), PAIRS_MAX.into()],
    );
    let mut pairs: Vec<String> = Vec::new();
    for row in core.query_all_raw(statement).await? {
        pairs.push(row.try_get_by_index(0)?);
    }
    let mut rates = Vec::with_capacity(pairs.len());
    for some in pairs.chunks(SYMBOLS_PER_QUERY) {
        rates.extend(read(core, SERIES, vec![some.to_vec().into(), beginning.into(), to.into()]).await?);
    }
    Ok(rates)
}

/// Days of the common era are counted from the first day of year 1, which is day 1.
const SERIES: &str = "
SELECT wanted.symbol, known.currency, closes.days, closes.prices,
       splits.days, splits.of_value, dividends.days, dividends.of_value
  FROM unnest($1::text[]) AS wanted (symbol)
  LEFT JOIN symbol_universe AS known USING (symbol)
 CROSS JOIN LATERAL (
       SELECT coalesce(array_agg(date - DATE '0001-01-01' + 1 ORDER BY date), '{}') AS days,
              coalesce(array_agg(close ORDER BY date), '{}') AS prices
         FROM (SELECT date, close FROM market_data_cache AS price
                WHERE price.symbol = wanted.symbol AND date BETWEEN $2 AND $3 AND close > 0
                UNION ALL
               (SELECT date, close FROM market_data_cache AS price
                 WHERE price.symbol = wanted.symbol AND date < $2 AND close > 0 ORDER BY date DESC LIMIT 1)) AS days
       ) AS closes
 CROSS JOIN LATERAL (
       SELECT coalesce(array_agg(ex_date - DATE '0001-01-01' + 1 ORDER BY ex_date), '{}') AS days,
              coalesce(array_agg(value ORDER BY ex_date), '{}') AS of_value
         FROM corporate_actions AS action
        WHERE action.symbol = wanted.symbol AND kind = 'split' AND ex_date <= $3
       ) AS splits
 CROSS JOIN LATERAL (
       SELECT coalesce(array_agg(ex_date - DATE '0001-01-01' + 1 ORDER BY ex_date), '{}') AS days,
              coalesce(array_agg(value ORDER BY ex_date), '{}') AS of_value
         FROM corporate_actions AS action
        WHERE action.symbol = wanted.symbol AND kind = 'dividend' AND ex_date <= $3
       ) AS dividends
";

async fn read(core: &impl CoreConn, sql: &str, values: Vec<Value>) -> Result<Vec<(String, Series)>> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    let mut series = Vec::new();
    for row in core.query_all_raw(statement).await? {
        let (days, prices) = columns(&row, 2)?;
        let splits = events(&row, 4)?;
        let dividends = events(&row, 6)?;
        let of_symbol = Series::of_columns(row.try_get_by_index(1)?, days, prices);
        series.push((row.try_get_by_index(0)?, of_symbol.with_events(splits, dividends)));
    }
    Ok(series)
}

/// Two arrays of one length.
fn columns(row: &QueryResult, index: usize) -> Result<(Vec<i32>, Vec<Decimal>)> {
    let days = array(row.try_get_from_sqlx_postgres(index))?;
    let values = array(row.try_get_from_sqlx_postgres(index + 1))?;
    Ok((days, values))
}

fn events(row: &QueryResult, index: usize) -> Result<Vec<Event>> {
    let (days, values) = columns(row, index)?;
    let dated = |(day, value)| Some(Event { ex_date: NaiveDate::from_num_days_from_ce_opt(day)?, value });
    Ok(days.into_iter().zip(values).filter_map(dated).collect())
}

fn array<T>(read: Option<Result<T, sea_orm::TryGetError>>) -> Result<T> {
    let unreadable = || DbErr::Type("a series is no array".to_owned());
    Ok(read.ok_or_else(unreadable)?.map_err(DbErr::from)?)
}
