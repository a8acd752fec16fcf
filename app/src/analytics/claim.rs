//! Who has a run. Leases use the database's clock; whoever decides holds an advisory lock.

use std::time::Duration;

use entity::core::batch_run;
use entity::ids::BatchRunId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use uuid::Uuid;

use super::request::LOCK;
use super::sql;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, Result};

/// A run whose process died this often is given up.
const ATTEMPTS_MAX: i32 = 5;

/// Claims the oldest run that waits, or one whose lease ran out; `only`: no other than this.
///
/// A run is locked by every transaction that writes for it. So one whose holder is
/// still writing is passed over, even if its lease ran out.
pub(super) async fn claim(
    core: &CoreDb,
    owner: Uuid,
    lease: Duration,
    only: Option<BatchRunId>,
) -> Result<Option<batch_run::Model>> {
    let tx = core.begin().await?;
    let locked = tx.query_one_raw(sql(&format!("SELECT pg_try_advisory_xact_lock({LOCK})"), [])).await?;
    if !locked.is_some_and(|row| row.try_get_by_index(0).unwrap_or(false)) {
        return Ok(None);
    }
    give_up_dead(&tx).await?;
    let claimed = batch_run::Model::find_by_statement(sql(
        "UPDATE batch_run_history SET status = 'running', attempts = attempts + 1, lease_owner = $1,
                lease_expires_at = clock_timestamp() + make_interval(secs => $2),
                started_at = coalesce(started_at, now())
          WHERE id = (SELECT id FROM batch_run_history AS run
                       WHERE ($3::uuid IS NULL OR id = $3)
                         AND ((status = 'running' AND lease_expires_at < now())
                           OR (status = 'queued' AND NOT EXISTS (
                               SELECT 1 FROM batch_run_history AS other
                                WHERE other.status = 'running'
                                  AND other.portfolio_id IS NOT DISTINCT FROM run.portfolio_id)))
                       ORDER BY created_at, id LIMIT 1 FOR UPDATE SKIP LOCKED)
         RETURNING *",
        [owner.into(), lease.as_secs_f64().into(), only.map(|id| id.0).into()],
    ));
    let claimed = claimed.one(&tx).await?;
    tx.commit().await?;
    Ok(claimed)
}

async fn give_up_dead(tx: &CoreTx) -> Result<()> {
    tx.execute_raw(sql(
        "UPDATE batch_run_history
            SET status = 'failed', lease_owner = NULL, lease_expires_at = NULL, completed_at = now(),
                error_summary = jsonb_build_object('run', 'its process died each time it ran')
          WHERE id IN (SELECT id FROM batch_run_history
                        WHERE status = 'running' AND lease_expires_at < now() AND attempts >= $1
                        FOR UPDATE SKIP LOCKED)",
        [ATTEMPTS_MAX.into()],
    ))
    .await?;
    Ok(())
}

/// Holds the run's row until the transaction ends, so that nobody takes it over
/// meanwhile. 409 `lease_lost`: somebody has, or it was called off.
///
/// The lock is the weakest there is: prolonging the lease and counting go on beside it.
pub(super) async fn fence(tx: &CoreTx, id: BatchRunId, owner: Uuid) -> Result<()> {
    let held = tx.query_one_raw(sql(
        "SELECT 1 FROM batch_run_history
          WHERE id = $1 AND lease_owner = $2 AND status = 'running' AND lease_expires_at > clock_timestamp()
            FOR KEY SHARE",
        [id.0.into(), owner.into()],
    ));
    if held.await?.is_some() { Ok(()) } else { Err(lost()) }
}

/// Counts portfolios of a run, in the transaction that wrote them.
pub(super) async fn count(
    tx: &CoreTx,
    id: BatchRunId,
    owner: Uuid,
    completed: usize,
    failed: usize,
) -> Result<()> {
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    let counted = tx.execute_raw(sql(
        "UPDATE batch_run_history SET completed_jobs = completed_jobs + $3, failed_jobs = failed_jobs + $4
          WHERE id = $1 AND lease_owner = $2 AND status = 'running' AND lease_expires_at > clock_timestamp()",
        [id.0.into(), owner.into(), number(completed).into(), number(failed).into()],
    ));
    if counted.await?.rows_affected() == 1 { Ok(()) } else { Err(lost()) }
}

/// Lets another process have the run at once: this one stops.
pub(super) async fn release(core: &CoreDb, id: BatchRunId, owner: Uuid) -> Result<()> {
    core.execute_raw(sql(
        "UPDATE batch_run_history SET lease_expires_at = now(), attempts = attempts - 1
          WHERE id = $1 AND lease_owner = $2 AND status = 'running'",
        [id.0.into(), owner.into()],
    ))
    .await?;
    Ok(())
}

pub(super) fn lost() -> Error {
    Error::conflict("lease_lost", "another process has taken the run over, or it was called off")
}
