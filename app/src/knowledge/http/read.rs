//! Listing, reading and deleting sources.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::ai::kb_source::Status;
use entity::core::job;
use entity::ids::{JobId, SourceId};
use garde::Validate;
use sea_orm::EntityTrait;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::knowledge::delete::delete;
use crate::knowledge::queries::{self, Shown};
use crate::state::AppState;
use crate::web::page::{LIMIT_MAX, limit_default};
use crate::web::{self, Cursor, Json, Page, Path, Problems, Query};

/// Which sources to list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SourcesQuery {
    /// Only sources in this state.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    pub status: Option<SourceStatus>,
    /// Rows a page, 1 to 200.
    #[garde(range(min = 1, max = LIMIT_MAX))]
    #[serde(default = "limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
}

/// How far a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceStatus {
    /// Waits for a worker.
    Queued,
    /// Is being cut and embedded.
    Processing,
    /// Its passages are found.
    Ready,
    /// Given up; `error` says why. Sending the text again tries again.
    Failed,
}

/// A source of the knowledge base.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceBody {
    /// Key.
    pub id: Uuid,
    /// Your own id of the text.
    pub external_id: Option<String>,
    /// What it is called.
    pub title: String,
    /// Its label.
    pub scope: String,
    /// How the text is written.
    pub media_type: String,
    /// How far it is. While a changed text is on its way, the old passages are found.
    pub status: SourceStatus,
    /// Passages.
    pub documents: i32,
    /// Where it was fetched from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Your own fields.
    #[schema(value_type = Object)]
    pub metadata: serde_json::Value,
    /// The job that ingests it.
    pub job_id: Option<Uuid>,
    /// How far that job is; only while it is not done, and only for one source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// When it was first sent.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// How far a job is, in sources.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Progress {
    /// Sources done.
    pub done: i64,
    /// Sources of the job.
    pub total: Option<i64>,
}

/// Lists sources, newest first.
///
/// The user's own and those shared with the tenant or globally.
#[utoipa::path(
    get,
    path = "/knowledge/sources",
    tag = "knowledge",
    params(SourcesQuery),
    responses((status = 200, description = "A page of sources.", body = Page<SourceBody>), Problems)
)]
pub async fn list_sources(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<SourcesQuery>,
) -> Result<Json<Page<SourceBody>>> {
    let status = query.status.map(Status::from);
    state.outbox.settle(user.id).await?;
    let rows = queries::list(&state.ai, &user.audience(), status, query.cursor, query.limit).await?;
    let position = |row: &Shown| Cursor { at: row.created_at, id: row.id.0 };
    Ok(Json(Page::of(rows, query.limit, position, SourceBody::from)))
}

/// One source.
#[utoipa::path(
    get,
    path = "/knowledge/sources/{id}",
    tag = "knowledge",
    params(("id" = Uuid, Path, description = "The source.")),
    responses((status = 200, description = "The source.", body = SourceBody), Problems)
)]
pub async fn get_source(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<SourceBody>> {
    let row = find(&state, &user, SourceId(id)).await?;
    let job_id = row.job_id.filter(|_| matches!(row.status, Status::Queued | Status::Processing));
    let mut body = SourceBody::from(row);
    if let Some(job_id) = job_id {
        body.progress = progress(&state, job_id).await?;
    }
    Ok(Json(body))
}

/// Deletes a source with its passages.
///
/// Answers that cited it stay; their citations lose quote and title. Shared
/// sources are deleted by administrators only. 202 when the ai database is
/// away: whose the source is, is checked when it is back.
#[utoipa::path(
    delete,
    path = "/knowledge/sources/{id}",
    tag = "knowledge",
    params(("id" = Uuid, Path, description = "The source.")),
    responses(
        (status = 204, description = "It is gone."),
        (status = 202, description = "It goes when the ai database is back."),
        Problems
    )
)]
pub async fn delete_source(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    Ok(web::gone(delete(&state, &user, SourceId(id)).await?))
}

async fn find(state: &AppState, user: &CurrentUser, id: SourceId) -> Result<Shown> {
    state.outbox.settle(user.id).await?;
    queries::find(&state.ai, &user.audience(), id).await?.ok_or(Error::NotFound("source"))
}

async fn progress(state: &AppState, id: JobId) -> Result<Option<Progress>> {
    let job = job::Entity::find_by_id(id).one(&state.core).await?;
    Ok(job.map(|job| Progress { done: job.progress_done, total: job.progress_total }))
}

impl From<SourceStatus> for Status {
    fn from(status: SourceStatus) -> Self {
        match status {
            SourceStatus::Queued => Self::Queued,
            SourceStatus::Processing => Self::Processing,
            SourceStatus::Ready => Self::Ready,
            SourceStatus::Failed => Self::Failed,
        }
    }
}

impl From<Status> for SourceStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Queued => Self::Queued,
            Status::Processing => Self::Processing,
            Status::Ready => Self::Ready,
            Status::Failed => Self::Failed,
        }
    }
}

impl From<Shown> for SourceBody {
    fn from(row: Shown) -> Self {
        Self {
            id: row.id.0,
            external_id: row.external_id,
            title: row.title,
            scope: row.scope,
            media_type: row.media_type,
            status: row.status.into(),
            documents: row.documents,
            url: row.url,
            error: row.error,
            metadata: row.metadata,
            job_id: row.job_id.map(|id| id.0),
            progress: None,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
