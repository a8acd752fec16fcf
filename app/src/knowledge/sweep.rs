//! What a crash left behind.
//!
//! A source is queued in ai and its job in core; nothing makes the two one. A
//! source that has waited for a while without a living job gets a new one, a
//! bounded number of times.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use entity::core::job::{self, Status};
use entity::ids::JobId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::jobs::{self, Item, Payload};
use super::queries::{self, Waiting};
use crate::error::Result;
use crate::state::AppState;

/// A source that waits longer than this is looked at.
const WAITED: Duration = Duration::from_mins(1);

/// A source whose jobs failed this often has failed.
const ROUNDS_MAX: u32 = 10;

/// Gives sources without a living job a new one; returns how many. Safe to run
/// at any time and on any number of replicas. Meant for every 30 s.
pub async fn requeue_lost(state: &AppState) -> Result<u64> {
    sweep_older_than(state, WAITED).await
}

async fn sweep_older_than(state: &AppState, waited: Duration) -> Result<u64> {
    queries::drop_stray_files(&state.ai).await?;
    let waiting = queries::take_waiting(&state.ai, waited).await?;
    if waiting.is_empty() {
        return Ok(0);
    }
    let jobs = jobs_of(state, &waiting).await?;
    let mut rounds: BTreeMap<u32, Vec<Item>> = BTreeMap::new();
    let mut given_up: BTreeMap<String, Vec<Item>> = BTreeMap::new();
    for source in waiting {
        let item = Item { id: source.id, generation: source.generation };
        match next_step(source.job_id.and_then(|id| jobs.get(&id))) {
            Step::Wait => {}
            Step::Again(round) => rounds.entry(round).or_default().push(item),
            Step::GiveUp(error) => given_up.entry(error).or_default().push(item),
        }
    }
    for (error, items) in given_up {
        queries::mark_failed(&state.ai, None, &items, &error).await?;
    }
    let mut requeued = 0_u64;
    for (round, items) in rounds {
        requeued += items.len() as u64;
        jobs::enqueue(state, None, Payload { items, round }).await?;
    }
    Ok(requeued)
}

enum Step {
    Wait,
    Again(u32),
    GiveUp(String),
}

fn next_step(job: Option<&job::Model>) -> Step {
    let Some(job) = job else {
        return Step::Again(0);
    };
    if matches!(job.status, Status::Queued | Status::Running) {
        return Step::Wait;
    }
    let round =
        serde_json::from_value::<Payload>(job.payload.clone()).map_or(ROUNDS_MAX, |payload| payload.round);
    if round < ROUNDS_MAX {
        return Step::Again(round + 1);
    }
    Step::GiveUp(job.error.clone().unwrap_or_else(|| "ingestion did not come to an end".to_owned()))
}

async fn jobs_of(state: &AppState, waiting: &[Waiting]) -> Result<HashMap<JobId, job::Model>> {
    let ids: Vec<JobId> = waiting.iter().filter_map(|source| source.job_id).collect();
    let jobs = job::Entity::find().filter(job::Column::Id.is_in(ids)).all(&state.core).await?;
    Ok(jobs.into_iter().map(|job| (job.id, job)).collect())
}
