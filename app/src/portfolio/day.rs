//! What day it is, and which days are dates.

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use sea_orm::{DbBackend, Statement};

use crate::db::CoreConn;
use crate::error::{Error, Result};

/// What is dated before it is a slip of the hand.
const YEAR_MIN: i32 = 1900;
/// And what is dated after it.
const YEAR_MAX: i32 = 2200;

/// Today by the database's clock, in UTC: what has not begun there is the future.
pub async fn today(core: &impl CoreConn) -> Result<NaiveDate> {
    Ok(now(core).await?.date_naive())
}

/// The database's clock; in a transaction the time it began.
pub async fn now(core: &impl CoreConn) -> Result<DateTime<Utc>> {
    let statement = Statement::from_string(DbBackend::Postgres, "SELECT now() AS now");
    let row = core.query_one_raw(statement).await?.ok_or(Error::NotFound("time"))?;
    Ok(row.try_get("", "now")?)
}

/// Whether a date can be meant.
pub fn is_plausible(day: NaiveDate) -> bool {
    (YEAR_MIN..=YEAR_MAX).contains(&day.year())
}

/// A check for `#[garde(custom(..))]`.
pub fn plausible(day: &NaiveDate, _: &()) -> garde::Result {
    if is_plausible(*day) {
        return Ok(());
    }
    Err(garde::Error::new(format!("must be a day from {YEAR_MIN} to {YEAR_MAX}")))
}
