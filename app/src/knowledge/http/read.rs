//! Listing, reading and deleting sources.

use std::collections::{BTreeSet, HashMap};

use axum::extract::State;
use axum::http::StatusCode;
use entity::ai::kb_source::Status;
use entity::core::job;
use entity::ids::{CollectionId, JobId, SourceId, UserId};
use garde::Validate;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::source_body::{Progress, SourceBody, SourceStatus};
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
