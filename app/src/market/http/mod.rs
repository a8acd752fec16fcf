//! `/data/prices`, `/data/company-profiles`, `/data/factors`, `/fundamentals`, `/equity-search`.
//!
//! Market data are everybody's: only the portfolio of a request belongs to somebody.

pub mod fundamentals;
pub mod prices;
pub mod reference;
pub mod search;

use chrono::{Days, NaiveDate};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::normalised;
use crate::db::CoreDb;
use crate::error::{Error, Result};

/// Symbols that a query may name.
const SYMBOLS_MAX: usize = 50;
/// Longest range of days.
const DAYS_MAX: u64 = 3_660;

/// Symbols of a query, by symbol, each once.
fn symbols(given: &str) -> Result<Vec<String>> {
    let wrong = |message: String| Error::field("symbols", message);
    let given: Vec<&str> = given.split(',').map(str::trim).filter(|symbol| !symbol.is_empty()).collect();
    if given.is_empty() {
        return Err(wrong("name symbols, separated by commas".to_owned()));
    }
    if given.len() > SYMBOLS_MAX {
        return Err(wrong(format!("has {} symbols, at most {SYMBOLS_MAX} are allowed", given.len())));
    }
    let read = |given: &str| normalised(given).ok_or_else(|| wrong(format!("{given:?} is no symbol")));
    let mut symbols: Vec<String> = given.into_iter().map(read).collect::<Result<_>>()?;
    symbols.sort_unstable();
    symbols.dedup();
    Ok(symbols)
}

/// The symbol of a path.
fn symbol(given: &str) -> Result<String> {
    normalised(given).ok_or_else(|| Error::field("symbol", format!("{given:?} is no symbol")))
}

/// First and last day: up to today, and so many days back, if nothing else is said.
async fn range(
    core: &CoreDb,
    from: Option<NaiveDate>,
    to: Option<NaiveDate>,
    days: u64,
) -> Result<(NaiveDate, NaiveDate)> {
    let to = match to {
        Some(to) => to,
        None => today(core).await?,
    };
    let from = from.or_else(|| to.checked_sub_days(Days::new(days))).unwrap_or(to);
    let length = (to - from).num_days();
    if length < 0 {
        return Err(Error::field("from", "is after the last day"));
    }
    if length.unsigned_abs() > DAYS_MAX {
        return Err(Error::field(
            "from",
            format!("the range has {length} days, at most {DAYS_MAX} are allowed"),
        ));
    }
    Ok((from, to))
}

async fn today(core: &CoreDb) -> Result<NaiveDate> {
    let row = core.query_one_raw(Statement::from_string(DbBackend::Postgres, "SELECT CURRENT_DATE")).await?;
    let today = row.map(|row| row.try_get_by_index(0)).transpose()?;
    today.ok_or(Error::NotFound("clock"))
}
