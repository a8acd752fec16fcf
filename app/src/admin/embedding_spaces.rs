//! The embedding model of the database: what there is, and changing it online.

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::SpaceId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::AdminUser;
use crate::db::space;
use crate::error::{CanFail, Result};
use crate::idempotency::Attempt;
use crate::spaces::{self, Estimate, SpaceView};
use crate::state::AppState;
use crate::web::{Json, Page, Path, Problems, text};

/// A model to change to.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BeginSpace {
    /// `local` or `openai`.
    #[garde(length(chars, max = 20), custom(text::no_nul))]
    #[schema(max_length = 20)]
    pub provider: String,
    /// Its name.
    #[garde(length(chars, min = 1, max = 200), custom(text::no_nul))]
    #[schema(min_length = 1, max_length = 200)]
    pub model: String,
    /// Length of its vectors, 1 to 4000; where it can be chosen or is not known.
    #[serde(default)]
    #[garde(inner(range(min = 1, max = 4000)))]
    #[schema(minimum = 1, maximum = 4000)]
    pub dimensions: Option<u32>,
    /// Only say what it would take.
    #[serde(default)]
    #[garde(skip)]
    pub dry_run: bool,
}

/// What a change takes, and the space that is on its way.
#[derive(Debug, Serialize, ToSchema)]
pub struct BegunSpace {
    /// What it takes.
    pub estimate: Estimate,
    /// The space; null if nothing was begun.
    pub space: Option<SpaceView>,
}

/// List embedding spaces.
///
/// The newest first: the active one, the one beside it if there is one, and those of which nothing is left.
#[utoipa::path(get, path = "/admin/embedding-spaces", tag = "admin",
    responses((status = 200, body = Page<SpaceView>), Problems))]
pub async fn list(State(state): State<AppState>, _: AdminUser) -> Result<Json<Page<SpaceView>>> {
    Ok(Json(Page { items: spaces::list(&state).await?, next_cursor: None }))
}

/// Change the embedding model online.
///
/// New vectors are made beside the old ones, and everybody goes on searching; `GET` shows how far it is. When the
/// space is `ready`, switch. 409 `space_active`, `change_under_way`. With `dry_run` nothing is begun.
#[utoipa::path(post, path = "/admin/embedding-spaces", tag = "admin", request_body = BeginSpace,
    responses((status = 202, description = "Begun", body = BegunSpace), (status = 200, description = "A dry run", body = BegunSpace), Problems))]
pub async fn begin(
    State(state): State<AppState>,
    _: AdminUser,
    _: Attempt,
    Json(request): Json<BeginSpace>,
) -> Result<(StatusCode, Json<BegunSpace>)> {
    let embedder = spaces::embedder(&state, &request.provider, &request.model, request.dimensions).await?;
    let estimate = spaces::estimate(&state, embedder.clone()).await?;
    if request.dry_run {
        return Ok((StatusCode::OK, Json(BegunSpace { estimate, space: None })));
    }
    let id = spaces::begin(&state, embedder.space()).await?;
    go_on(&state, id);
    let space = Some(one(&state, id).await?);
    Ok((StatusCode::ACCEPTED, Json(BegunSpace { estimate, space })))
}

/// Switch to the next embedding space.
///
/// 409 `space_not_ready`, `recall_too_low` with the figures, `tables_busy` while long transactions hold the tables.
#[utoipa::path(post, path = "/admin/embedding-spaces/{id}/switch", tag = "admin",
    params(("id" = Uuid, Path, description = "The space")), responses((status = 200, body = SpaceView), Problems))]
pub async fn switch(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
) -> Result<Json<SpaceView>> {
    spaces::switch(&state, SpaceId(id)).await?;
    Ok(Json(one(&state, SpaceId(id)).await?))
}

/// Switch back to the previous embedding space.
///
/// What was active is next then, and ready. 409 `no_way_back` when this is not the previous space.
#[utoipa::path(post, path = "/admin/embedding-spaces/{id}/rollback", tag = "admin",
    params(("id" = Uuid, Path, description = "The previous space")), responses((status = 200, body = SpaceView), Problems))]
pub async fn rollback(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
) -> Result<Json<SpaceView>> {
    spaces::rollback(&state, SpaceId(id)).await?;
    Ok(Json(one(&state, SpaceId(id)).await?))
}

/// Give up the next embedding space, or retire the previous one.
///
/// Its vectors are dropped. 409 `space_not_beside` for the active space and for one of which nothing is left.
#[utoipa::path(post, path = "/admin/embedding-spaces/{id}/abort", tag = "admin",
    params(("id" = Uuid, Path, description = "The next or the previous space")), responses((status = 200, body = SpaceView), Problems))]
pub async fn abort(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
) -> Result<Json<SpaceView>> {
    spaces::end(&state, SpaceId(id)).await?;
    Ok(Json(one(&state, SpaceId(id)).await?))
}

/// Works on it here, unless this process has no workers: others do then.
fn go_on(state: &AppState, id: SpaceId) {
    if state.settings.jobs.workers == 0 {
        return;
    }
    let owned = state.clone();
    let work = async move { spaces::drive(&owned, id).await.can_fail("it is gone on with later") };
    state.tasks.spawn(state.shutdown.clone().run_until_cancelled_owned(work));
}

async fn one(state: &AppState, id: SpaceId) -> Result<SpaceView> {
    spaces::view(state, space::find(&state.ai, id).await?).await
}
