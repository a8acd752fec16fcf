//! What is done of each trading day, over all portfolios.

use chrono::NaiveDate;
use entity::ids::BatchRunId;
use sea_orm::{ConnectionTrait, FromQueryResult};

use super::sql;
use crate::db::CoreDb;
use crate::error::Result;
use crate::market::Calendar;

/// Notes the trading days of a run from their snapshots and closes.
pub(super) async fn note(
    core: &CoreDb,
    run: BatchRunId,
    days: &[NaiveDate],
    prices_error: Option<&str>,
    failed: bool,
) -> Result<()> {
    let (Some(first), Some(last)) = (days.first(), days.last()) else { return Ok(()) };
    core.execute_raw(sql(
        "WITH kept AS (
           SELECT snapshot_date AS day, count(*) AS portfolios,
                  sum((data_quality->>'close')::int) AS closes,
                  sum((data_quality->>'close')::int + (data_quality->>'stale')::int + (data_quality->>'old')::int
                      + (data_quality->>'entry')::int) AS lots
             FROM portfolio_snapshots WHERE snapshot_date BETWEEN $3 AND $4 GROUP BY 1),
         priced AS (SELECT date AS day, count(*) AS symbols FROM market_data_cache
                     WHERE date BETWEEN $3 AND $4 GROUP BY 1)
         INSERT INTO batch_run_tracking AS known
                (run_date, run_id, prices_status, valuation_status, snapshots_status, portfolios_processed,
                 symbols_fetched, data_coverage, error_message, completed_at)
         SELECT day, $1, CASE WHEN $5::text IS NULL THEN 'completed' ELSE 'failed' END,
                CASE WHEN day = $4 THEN CASE WHEN $6 THEN 'failed' ELSE 'completed' END END,
                CASE WHEN $6 THEN 'failed' ELSE 'completed' END,
                coalesce(portfolios, 0), coalesce(symbols, 0), closes::float8 / nullif(lots, 0), $5::text,
                CASE WHEN $5::text IS NULL AND NOT $6 THEN now() END
           FROM unnest($2::date[]) AS days (day) LEFT JOIN kept USING (day) LEFT JOIN priced USING (day)
         ON CONFLICT ON CONSTRAINT pk_batch_run_tracking DO UPDATE
            SET run_id = excluded.run_id, prices_status = excluded.prices_status,
                valuation_status = coalesce(excluded.valuation_status, known.valuation_status),
                snapshots_status = excluded.snapshots_status,
                portfolios_processed = excluded.portfolios_processed, symbols_fetched = excluded.symbols_fetched,
                data_coverage = excluded.data_coverage, error_message = excluded.error_message,
                completed_at = excluded.completed_at",
        [
            run.0.into(),
            days.to_vec().into(),
            (*first).into(),
            (*last).into(),
            prices_error.into(),
            failed.into(),
        ],
    ))
    .await?;
    Ok(())
}

#[derive(FromQueryResult)]
struct Range {
    first: Option<NaiveDate>,
    last: Option<NaiveDate>,
}

/// The days of a run, with those that were done before it was taken over.
pub(super) async fn with_earlier(
    core: &CoreDb,
    run: BatchRunId,
    calendar: &Calendar,
    days: Vec<NaiveDate>,
) -> Result<Vec<NaiveDate>> {
    let written = Range::find_by_statement(sql(
        "SELECT min(snapshot_date) AS first, max(snapshot_date) AS last FROM portfolio_snapshots WHERE run_id = $1",
        [run.0.into()],
    ));
    let written = written.one(core).await?;
    let Some((first, last)) = written.and_then(|range| range.first.zip(range.last)) else { return Ok(days) };
    let from = days.first().map_or(first, |day| first.min(*day));
    let to = days.last().map_or(last, |day| last.max(*day));
    Ok(calendar.days(from, to).collect())
}
