//! Listing, reading and deleting sources.

use std::collections::{BTreeSet, HashMap};

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::ai::kb_source::Status;
use entity::core::job;
use entity::ids::{CollectionId, JobId, SourceId, UserId};
use garde::Validate;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::knowledge::delete::delete;
use crate::knowledge::jobs::INGEST;
use crate::knowledge::queries::{self, Shown, Wanted};
use crate::state::AppState;
use crate::web::page::{LIMIT_MAX, limit_default};
use crate::web::text::no_nul;
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
    /// Only sources with this label.
    #[garde(length(chars, max = 100), inner(custom(no_nul)))]
    #[serde(default)]
    pub scope: Option<String>,
    /// Only sources in this collection.
    #[garde(skip)]
    #[serde(default)]
    pub collection: Option<Uuid>,
    /// Only your own, or only those of others.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline)]
    pub owner: Option<OwnerFilter>,
    /// Only sources whose title contains this, in any case; at most 500 characters.
    #[garde(length(chars, max = 500), inner(custom(no_nul)))]
    #[serde(default)]
    pub title: Option<String>,
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

/// Whose sources to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum OwnerFilter {
    /// Your own.
    Own,
    /// Those of others that you may read.
    Shared,
}

/// Whose a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceOwner {
    /// Yours.
    Own,
    /// Another user's, in a collection that is shared with you.
    User,
    /// Shared with your tenant by an administrator.
    Tenant,
    /// Shared with everybody by an administrator.
    Global,
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
    /// Given up; `error` says why. `/retry`, or sending the text again, tries again.
    Failed,
}

/// A source of the knowledge base.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceBody {
    /// Key.
    pub id: Uuid,
    /// Your own id of the text.
    pub external_id: Option<String>,
    /// Whose it is; only your own, and as an administrator shared ones, can be changed.
    pub owner: SourceOwner,
    /// The collection it is in.
    pub collection_id: Option<Uuid>,
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
    /// Its text, in bytes; 0 for a file that is not read yet.
    pub bytes: i64,
    /// How often its ingestion was begun; only while it is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i32>,
    /// When its ingestion is tried again, after it could not be done; only while it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
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
/// The user's own, those shared with the tenant or globally, and those in
/// collections the user may read.
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
    let wanted = Wanted {
        status: query.status.map(Status::from),
        scope: query.scope,
        collection: query.collection.map(CollectionId),
        is_own: query.owner.map(|owner| owner == OwnerFilter::Own),
        title: query.title,
    };
    state.outbox.settle(user.id).await?;
    let rows = queries::list(&state.ai, &user.audience(), &wanted, query.cursor, query.limit).await?;
    let jobs = jobs_of(&state, &rows).await?;
    let position = |row: &Shown| Cursor { at: row.created_at, id: row.id.0 };
    let body = |row: Shown| {
        let job = row.job_id.and_then(|id| jobs.get(&id));
        SourceBody::of(&user, row, job)
    };
    Ok(Json(Page::of(rows, query.limit, position, body)))
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
    shown(&state, &user, SourceId(id)).await
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

/// A source as it is now, with how far its job is.
pub(super) async fn shown(state: &AppState, user: &CurrentUser, id: SourceId) -> Result<Json<SourceBody>> {
    state.outbox.settle(user.id).await?;
    let row = queries::find(&state.ai, &user.audience(), id).await?.ok_or(Error::NotFound("source"))?;
    let jobs = jobs_of(state, std::slice::from_ref(&row)).await?;
    let job = row.job_id.and_then(|id| jobs.get(&id));
    let progress = job.map(|job| Progress { done: job.progress_done, total: job.progress_total });
    Ok(Json(SourceBody { progress, ..SourceBody::of(user, row, job) }))
}

/// The jobs of the sources that are not done.
async fn jobs_of(state: &AppState, rows: &[Shown]) -> Result<HashMap<JobId, job::Model>> {
    let waiting = rows.iter().filter(|row| matches!(row.status, Status::Queued | Status::Processing));
    let ids: BTreeSet<JobId> = waiting.filter_map(|row| row.job_id).collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let jobs = job::Entity::find().filter(job::Column::Id.is_in(ids)).all(&state.core).await?;
    Ok(jobs.into_iter().map(|job| (job.id, job)).collect())
}

/// Ingestions that a user asked for and that are not done.
pub(super) async fn pending_jobs(state: &AppState, user: UserId) -> Result<u64> {
    let open = [job::Status::Queued, job::Status::Running];
    let jobs = job::Entity::find()
        .filter(job::Column::UserId.eq(user))
        .filter(job::Column::Kind.eq(INGEST))
        .filter(job::Column::Status.is_in(open));
    Ok(jobs.count(&state.core).await?)
}

impl SourceOwner {
    pub(super) fn of(user: &CurrentUser, row: &Shown) -> Self {
        match (row.owner_id, row.tenant_id) {
            (Some(owner), _) if owner == user.id => Self::Own,
            (Some(_), _) => Self::User,
            (None, Some(_)) => Self::Tenant,
            (None, None) => Self::Global,
        }
    }
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

impl SourceBody {
    /// A source, and its job while that is not done.
    fn of(user: &CurrentUser, row: Shown, job: Option<&job::Model>) -> Self {
        // A job that has not been begun waits for a worker, not for its time.
        let again = job.filter(|job| job.status == job::Status::Queued && job.attempts > 0);
        Self {
            id: row.id.0,
            owner: SourceOwner::of(user, &row),
            external_id: row.external_id,
            collection_id: row.collection_id.map(|id| id.0),
            title: row.title,
            scope: row.scope,
            media_type: row.media_type,
            status: row.status.into(),
            documents: row.documents,
            bytes: row.bytes,
            attempts: job.map(|job| job.attempts),
            next_attempt_at: again.map(|job| job.run_at),
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
