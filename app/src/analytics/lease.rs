//! A run's lease while the run runs.

use std::time::Duration;

use entity::ids::BatchRunId;
use sea_orm::ConnectionTrait;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::sql;
use crate::db::CoreDb;
use crate::error::Result;

/// Prolongs the lease until it is lost, or the run is called off. A core that says nothing
/// for as long as a lease lasts has let it run out.
pub(super) async fn keep(core: &CoreDb, id: BatchRunId, owner: Uuid, lease: Duration) {
    let mut held_at = Instant::now();
    while held_at.elapsed() < lease {
        tokio::time::sleep(lease / 3).await;
        let asked_at = Instant::now();
        match timeout(lease / 3, prolong(core, id, owner, lease)).await {
            Ok(Ok(true)) => held_at = asked_at,
            Ok(Ok(false)) => return,
            Ok(Err(error)) => tracing::warn!(%error, "the run's lease could not be prolonged"),
            Err(_) => tracing::warn!("the run's lease could not be prolonged in time"),
        }
    }
}

async fn prolong(core: &CoreDb, id: BatchRunId, owner: Uuid, lease: Duration) -> Result<bool> {
    let prolonged = core.execute_raw(sql(
        "UPDATE batch_run_history SET lease_expires_at = now() + make_interval(secs => $3)
          WHERE id = $1 AND lease_owner = $2 AND status = 'running' AND lease_expires_at > now()",
        [id.0.into(), owner.into(), lease.as_secs_f64().into()],
    ));
    Ok(prolonged.await?.rows_affected() == 1)
}
