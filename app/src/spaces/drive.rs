//! From the first vector to a space that can be switched to.

use std::time::Duration;

use entity::ai::embedding_space::{self, Status};
use entity::ids::SpaceId;

use super::fill;
use crate::db::space::{self, Lease, Place, fill::complain, parity, spec_of};
use crate::error::{CanFail, Error, Result};
use crate::state::AppState;

/// Works on a space for as long as there is something to do and nobody else does it.
pub async fn drive(state: &AppState, id: SpaceId) -> Result<()> {
    let life = Duration::from_secs(state.settings.jobs.lease_s);
    let Some(lease) = space::take(&state.ai, id, life).await? else { return Ok(()) };
    let outcome = tokio::select! {
        outcome = work(state, id, &lease) => outcome,
        () = lease.beat() => return Ok(()),
    };
    if matches!(&outcome, Err(Error::Conflict { code: "lease_lost", .. })) {
        return Ok(());
    }
    if let Err(error) = &outcome {
        complain(&state.ai, id, &error.to_string()).await.can_fail("the log has the reason");
    }
    lease.free().await.can_fail("the lease runs out by itself");
    outcome
}

/// Goes on with a change that nobody works on. 1 if there was one.
pub async fn resume(state: &AppState) -> Result<u64> {
    let is_unfinished = |row: &embedding_space::Model| {
        matches!(row.status, Status::Filling | Status::Indexing | Status::Checking)
    };
    let Some(row) = space::beside(&state.ai).await?.filter(is_unfinished) else { return Ok(0) };
    drive(state, row.id).await?;
    Ok(1)
}

async fn work(state: &AppState, id: SpaceId, lease: &Lease) -> Result<()> {
    loop {
        let row = space::find(&state.ai, id).await?;
        let dimensions = spec_of(&row).dimensions;
        let (status, next, error) = match row.status {
            Status::Filling => {
                space::build_next(&state.ai, dimensions, &state.settings, false).await?;
                fill::missing(state, id, Some(lease)).await?;
                (Status::Filling, Status::Indexing, None)
            }
            Status::Indexing => {
                space::build_next(&state.ai, dimensions, &state.settings, true).await?;
                (Status::Indexing, Status::Checking, None)
            }
            Status::Checking => {
                fill::missing(state, id, Some(lease)).await?;
                let refusal = check(state, id, dimensions).await?;
                let next = if refusal.is_some() { Status::Refused } else { Status::Ready };
                (Status::Checking, next, refusal)
            }
            _ => return Ok(()),
        };
        space::set_status(&state.ai, id, status, next, error.as_deref()).await?;
    }
}

/// Why the space cannot be switched to, if it cannot.
async fn check(state: &AppState, id: SpaceId, dimensions: u32) -> Result<Option<String>> {
    let recall = parity::measure(&state.ai, Place::Next, dimensions, &state.settings).await?;
    parity::keep(&state.ai, id, &recall).await?;
    let least = f64::from(state.settings.spaces.recall_min);
    let Some(worst) =
        recall.iter().filter(|found| found.recall < least).min_by(|a, b| a.recall.total_cmp(&b.recall))
    else {
        return Ok(None);
    };
    let section = if worst.table == "ai_memories" { "memory" } else { "knowledge" };
    Ok(Some(format!(
        "recall@10 of {} is {:.3} at ef_search {}, {least} is needed: raise {section}.hnsw_ef_search and switch again, or abort",
        worst.table, worst.recall, worst.ef_search
    )))
}
