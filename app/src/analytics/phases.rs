//! Phases of a run, and how far each is.
//!
//! Prices come first, once for all symbols. The others are done portfolio by portfolio,
//! several of them in one transaction: what is computed of a portfolio is whole or
//! absent. A further phase is one more entry of [`OF_PORTFOLIOS`].

use std::time::Duration;

use entity::ids::BatchRunId;
use futures::FutureExt;
use futures::future::BoxFuture;
use sea_orm::ConnectionTrait;
use uuid::Uuid;

use super::compute::Computed;
use super::{sql, write};
use crate::db::{CoreConn, CoreDb, CoreTx};
use crate::error::Result;

/// Prices of all symbols.
pub(super) const PRICES: &str = "prices";

/// What is done with each portfolio, in this order.
pub(super) const OF_PORTFOLIOS: [PortfolioPhase; 2] = [
    PortfolioPhase { name: "valuation", write: |tx, _, computed| write::valuations(tx, computed).boxed() },
    PortfolioPhase {
        name: "snapshots",
        write: |tx, run, computed| write::snapshots(tx, run, computed).boxed(),
    },
];

/// Writes what was computed; answers how many rows changed.
type Write = for<'a> fn(&'a CoreTx, BatchRunId, &'a [Computed]) -> BoxFuture<'a, Result<u64>>;

/// A phase over portfolios.
#[derive(Clone, Copy, Debug)]
pub(super) struct PortfolioPhase {
    pub(super) name: &'static str,
    pub(super) write: Write,
}

/// Names of all phases of a run, in their order.
pub(super) fn names(prices_only: bool) -> impl Iterator<Item = &'static str> {
    let others = OF_PORTFOLIOS.iter().map(|phase| phase.name).filter(move |_| !prices_only);
    std::iter::once(PRICES).chain(others)
}

/// Makes their rows; those that are there stay as they are.
pub(super) async fn open(core: &CoreDb, run: BatchRunId, prices_only: bool) -> Result<()> {
    for name in names(prices_only) {
        core.execute_raw(sql(
            "INSERT INTO batch_jobs (id, run_id, job_name) VALUES ($1, $2, $3)
             ON CONFLICT ON CONSTRAINT uq_batch_jobs_phase DO NOTHING",
            [Uuid::now_v7().into(), run.0.into(), name.into()],
        ))
        .await?;
    }
    Ok(())
}

/// Whether a phase was done already, by a process that had the run before.
pub(super) async fn is_done(core: &CoreDb, run: BatchRunId, name: &str) -> Result<bool> {
    let done = core.query_one_raw(sql(
        "SELECT 1 FROM batch_jobs WHERE run_id = $1 AND job_name = $2 AND status = 'completed'",
        [run.0.into(), name.into()],
    ));
    Ok(done.await?.is_some())
}

/// Begins a phase.
pub(super) async fn begin(core: &CoreDb, run: BatchRunId, owner: Uuid, name: &str) -> Result<()> {
    core.execute_raw(sql(
        "WITH run AS (UPDATE batch_run_history SET phase = $3
                       WHERE id = $1 AND lease_owner = $2 AND status = 'running' RETURNING id)
         UPDATE batch_jobs SET status = 'running', started_at = coalesce(started_at, now())
           FROM run WHERE run_id = run.id AND job_name = $3",
        [run.0.into(), owner.into(), name.into()],
    ))
    .await?;
    Ok(())
}

/// Counts rows that a phase wrote, and the time it took.
pub(super) async fn count(
    core: &impl CoreConn,
    run: BatchRunId,
    name: &str,
    rows: u64,
    took: Duration,
) -> Result<()> {
    core.execute_raw(sql(
        "UPDATE batch_jobs SET records_processed = records_processed + $3,
                job_metadata = jsonb_build_object('took_ms', coalesce((job_metadata->>'took_ms')::float8, 0) + $4)
          WHERE run_id = $1 AND job_name = $2",
        [
            run.0.into(),
            name.into(),
            i64::try_from(rows).unwrap_or(i64::MAX).into(),
            (took.as_secs_f64() * 1e3).into(),
        ],
    ))
    .await?;
    Ok(())
}

/// Ends a phase, well or with what went wrong.
pub(super) async fn end(
    core: &CoreDb,
    run: BatchRunId,
    owner: Uuid,
    name: &str,
    error: Option<&str>,
) -> Result<()> {
    core.execute_raw(sql(
        "UPDATE batch_jobs SET status = CASE WHEN $4::text IS NULL THEN 'completed' ELSE 'failed' END,
                error_message = $4, completed_at = now()
           FROM batch_run_history AS run
          WHERE run_id = $1 AND job_name = $3
            AND run.id = $1 AND run.lease_owner = $2 AND run.status = 'running'",
        [run.0.into(), owner.into(), name.into(), error.into()],
    ))
    .await?;
    Ok(())
}
