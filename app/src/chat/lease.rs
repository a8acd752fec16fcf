//! A turn's lease while the turn runs.

use std::time::Duration;

use entity::ids::MessageId;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use super::queries;
use crate::db::CoreDb;

/// Prolongs the lease until it is lost. A core that says nothing, or says no,
/// for as long as a lease lasts has let it run out: nothing may be written any
/// more, and nobody should wait for it.
pub(super) async fn keep(core: &CoreDb, id: MessageId, owner: Uuid, lease: Duration) {
    let mut held_at = Instant::now();
    while held_at.elapsed() < lease {
        tokio::time::sleep(lease / 3).await;
        let asked_at = Instant::now();
        match timeout(lease / 3, queries::prolong(core, id, owner, lease)).await {
            Ok(Ok(true)) => held_at = asked_at,
            Ok(Ok(false)) => return,
            Ok(Err(error)) => tracing::warn!(%error, "the turn's lease could not be prolonged"),
            Err(_) => tracing::warn!("the turn's lease could not be prolonged in time"),
        }
    }
}
