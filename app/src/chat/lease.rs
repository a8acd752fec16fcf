//! A turn's lease while the turn runs.

use std::time::Duration;

use entity::ids::MessageId;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::db::CoreDb;
use crate::error::Result;
use crate::web::signals::{Signals, Stop};

/// What became of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prolonged {
    Held,
    /// Held, and the turn is to be ended.
    Cancelled,
    Lost,
}

/// Prolongs the lease until it is lost. A core that says nothing, or says no,
/// for as long as a lease lasts has let it run out: nothing may be written any
/// more, and nobody should wait for it. Who was cancelled learns it here, if
/// the word of it was lost.
pub(super) async fn keep(core: &CoreDb, id: MessageId, owner: Uuid, lease: Duration, signals: &Signals) {
    let mut held_at = Instant::now();
    while held_at.elapsed() < lease {
        tokio::time::sleep(lease / 3).await;
        let asked_at = Instant::now();
        match timeout(lease / 3, prolong(core, id, owner, lease)).await {
            Ok(Ok(Prolonged::Held)) => held_at = asked_at,
            Ok(Ok(Prolonged::Cancelled)) => {
                held_at = asked_at;
                signals.stop(Stop::Cancelled);
            }
            Ok(Ok(Prolonged::Lost)) => return,
            Ok(Err(error)) => tracing::warn!(%error, "the turn's lease could not be prolonged"),
            Err(_) => tracing::warn!("the turn's lease could not be prolonged in time"),
        }
    }
}

async fn prolong(core: &CoreDb, id: MessageId, owner: Uuid, lease: Duration) -> Result<Prolonged> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE messages SET lease_expires_at = now() + make_interval(secs => $3)
          WHERE id = $1 AND lease_owner = $2 AND status = 'streaming' AND lease_expires_at > now()
         RETURNING cancel_requested_at IS NOT NULL AS cancelled",
        [id.0.into(), owner.into(), lease.as_secs_f64().into()],
    );
    let Some(row) = core.query_one_raw(statement).await? else { return Ok(Prolonged::Lost) };
    Ok(if row.try_get("", "cancelled")? { Prolonged::Cancelled } else { Prolonged::Held })
}
