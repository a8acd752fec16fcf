//! Sums of what came in and went out.

use chrono::{Datelike, Days, NaiveDate};
use entity::ids::{PortfolioId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::{DbBackend, Statement};

use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::portfolio::{day, find_owned};

/// Of a span of days.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    pub(crate) contributions: Decimal,
    pub(crate) withdrawals: Decimal,
    pub(crate) changes: i64,
}

/// Of a portfolio.
#[derive(Clone, Debug)]
pub(crate) struct Summary {
    /// Of its money.
    pub(crate) currency: String,
    pub(crate) all: Totals,
    pub(crate) year_to_date: Totals,
    pub(crate) last_30_days: Totals,
    pub(crate) last_90_days: Totals,
    pub(crate) first_day: Option<NaiveDate>,
    pub(crate) last_day: Option<NaiveDate>,
}

/// All the sums, with one query.
pub(crate) async fn summary(core: &impl CoreConn, user: UserId, portfolio: PortfolioId) -> Result<Summary> {
    let currency = find_owned(core, user, portfolio).await?.currency;
    let today = day::today(core).await?;
    let ago = |days| today.checked_sub_days(Days::new(days)).unwrap_or(NaiveDate::MIN);
    let new_year = NaiveDate::from_ymd_opt(today.year(), 1, 1).unwrap_or(today);
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT span.number,
                coalesce(sum(amount) FILTER (WHERE change_type = 'CONTRIBUTION'), 0) AS contributions,
                coalesce(sum(amount) FILTER (WHERE change_type = 'WITHDRAWAL'), 0) AS withdrawals,
                count(id) AS changes, min(change_date) AS first_day, max(change_date) AS last_day
           FROM unnest($2::date[]) WITH ORDINALITY AS span (since, number)
           LEFT JOIN equity_changes ON portfolio_id = $1 AND deleted_at IS NULL AND change_date >= span.since
          GROUP BY span.number ORDER BY span.number",
        [
            portfolio.0.into(),
            vec![NaiveDate::from_ymd_opt(1, 1, 1).unwrap_or(today), new_year, ago(30), ago(90)].into(),
        ],
    );
    let rows = core.query_all_raw(statement).await?;
    let totals = |index: usize| -> Result<Totals> {
        let row = rows.get(index).ok_or(Error::NotFound("sum"))?;
        Ok(Totals {
            contributions: row.try_get("", "contributions")?,
            withdrawals: row.try_get("", "withdrawals")?,
            changes: row.try_get("", "changes")?,
        })
    };
    let whole = rows.first().ok_or(Error::NotFound("sum"))?;
    Ok(Summary {
        currency,
        all: totals(0)?,
        year_to_date: totals(1)?,
        last_30_days: totals(2)?,
        last_90_days: totals(3)?,
        first_day: whole.try_get("", "first_day")?,
        last_day: whole.try_get("", "last_day")?,
    })
}
