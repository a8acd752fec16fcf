//! What is in a collection, and who reads it.

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::{CollectionId, SourceId, UserId};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::collections::{Collection, whole};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::knowledge::collections::{self, Reader};
use crate::knowledge::moving;
use crate::state::AppState;
use crate::web::text::no_nul;
use crate::web::{Json, Path, Problems};

/// Sources for a collection.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FillCollection {
    /// Sources of yours, 1 to 100. A source is in one collection: it leaves the one it was in.
    #[garde(length(min = 1, max = moving::MOVED_MAX))]
    #[schema(min_items = 1, max_items = 100)]
    pub source_ids: Vec<Uuid>,
}

/// Whom to share with: either of the two.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ShareCollection {
    /// The address of a user of your tenant.
    #[garde(length(chars, min = 1, max = 254), inner(custom(no_nul)))]
    #[schema(min_length = 1, max_length = 254)]
    pub email: Option<String>,
    /// The id of a user of your tenant.
    #[garde(skip)]
    pub user_id: Option<Uuid>,
}

/// What became of the sources.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Filled {
    /// Sources that were elsewhere before.
    moved: u64,
}

/// A collection and one of its readers.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct ReaderPath {
    id: Uuid,
    reader_id: Uuid,
}

/// Put sources into a collection.
///
/// All of them or none. They keep their ids; who reads the collection finds them from now on.
#[utoipa::path(post, path = "/knowledge/collections/{id}/sources", tag = "knowledge",
    params(("id" = Uuid, Path, description = "The collection.")), request_body = FillCollection,
    responses((status = 200, description = "They are in it.", body = Filled), Problems))]
pub async fn fill_collection(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<FillCollection>,
) -> Result<Json<Filled>> {
    let mut sources: Vec<SourceId> = request.source_ids.into_iter().map(SourceId).collect();
    sources.sort_unstable();
    sources.dedup();
    let moved = moving::put(&state, &user, &sources, CollectionId(id)).await?;
    Ok(Json(Filled { moved }))
}

/// Share a collection with a user.
///
/// By address or id, with an active user of your tenant, who finds its passages from now on and changes
/// nothing. Sharing again changes nothing.
#[utoipa::path(post, path = "/knowledge/collections/{id}/readers", tag = "knowledge",
    params(("id" = Uuid, Path, description = "The collection.")), request_body = ShareCollection,
    responses((status = 200, description = "The collection with its readers.", body = Collection), Problems))]
pub async fn share_collection(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ShareCollection>,
) -> Result<Json<Collection>> {
    let with = match (request.email, request.user_id) {
        (Some(email), None) => Reader::Email(email),
        (None, Some(id)) => Reader::Id(UserId(id)),
        _ => return Err(Error::field("email", "give either email or user_id")),
    };
    collections::share(&state.core, &user, CollectionId(id), with).await?;
    let row = collections::find_own(&state.core, &user, CollectionId(id)).await?;
    whole(&state, &user, row).await
}

/// Withdraw a share.
///
/// From the next request on the user finds nothing of the collection. A reader may give its own share up.
#[utoipa::path(delete, path = "/knowledge/collections/{id}/readers/{reader_id}", tag = "knowledge",
    params(("id" = Uuid, Path, description = "The collection."), ("reader_id" = Uuid, Path, description = "The user.")),
    responses((status = 204, description = "It is withdrawn."), Problems))]
pub async fn withdraw_collection(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(ReaderPath { id, reader_id }): Path<ReaderPath>,
) -> Result<StatusCode> {
    collections::withdraw(&state.core, &user, CollectionId(id), UserId(reader_id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
