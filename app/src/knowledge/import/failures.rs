//! What an import's jobs could not ingest.

use entity::ai::kb_source::{self, Status};
use entity::ids::JobId;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::{REJECTED_MAX, Rejected};
use crate::error::Result;
use crate::state::AppState;

/// Sources of these jobs that failed, with the reason; the first 1000.
pub async fn failures(state: &AppState, jobs: &[JobId]) -> Result<Vec<Rejected>> {
    if jobs.is_empty() {
        return Ok(Vec::new());
    }
    let ai = state.ai.begin_worker().await?;
    let rows: Vec<(Option<String>, String, Option<String>)> = kb_source::Entity::find()
        .select_only()
        .column(kb_source::Column::ExternalId)
        .column(kb_source::Column::Title)
        .column(kb_source::Column::Error)
        .filter(kb_source::Column::JobId.is_in(jobs.iter().copied()))
        .filter(kb_source::Column::Status.eq(Status::Failed))
        .order_by_asc(kb_source::Column::Id)
        .limit(REJECTED_MAX as u64)
        .into_tuple()
        .all(&ai)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(external_id, title, error)| Rejected {
            at: external_id.unwrap_or(title),
            error: error.unwrap_or_default(),
        })
        .collect())
}
