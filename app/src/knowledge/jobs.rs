//! The ingestion job.

use entity::ids::{JobId, SourceId, UserId};
use serde::{Deserialize, Serialize};

use super::{ingest as ingestion, queries};
use crate::error::{Context, Result};
use crate::jobs::{JobContext, NewJob};
use crate::state::AppState;

/// The kind under which [`ingest`] is registered.
pub const INGEST: &str = "knowledge.ingest";

/// A source at the generation that is to be ingested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// The source.
    pub id: SourceId,
    /// If it has moved on by then, there is nothing to do.
    pub generation: i64,
}

/// The job's input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// At most 500.
    pub items: Vec<Item>,
    /// How often the sweep has put these sources back into the queue.
    #[serde(default)]
    pub round: u32,
}

/// Cuts, embeds and stores the sources of a job. Idempotent: what is ready or
/// has moved on is passed over.
pub async fn ingest(state: AppState, context: JobContext) -> Result<()> {
    let payload: Payload = context.input()?;
    ingestion::run(&state, &context, &payload).await
}

/// Queues an ingestion and writes its id to the sources.
pub(super) async fn enqueue(state: &AppState, asked_by: Option<UserId>, payload: Payload) -> Result<JobId> {
    let new = NewJob {
        kind: INGEST,
        payload: serde_json::to_value(&payload).context("writing a job's payload")?,
        user_id: asked_by,
        progress_total: Some(i64::try_from(payload.items.len()).unwrap_or(i64::MAX)),
    };
    // Row and notification belong together: a transaction of its own.
    let transaction = state.core.begin().await?;
    let job_id = crate::jobs::enqueue(&transaction, new).await?;
    transaction.commit().await?;
    queries::set_job(&state.ai, &payload.items, job_id).await?;
    Ok(job_id)
}
