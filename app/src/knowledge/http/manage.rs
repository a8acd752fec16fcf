//! Changing sources, and trying again what failed.

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::{CollectionId, SourceId};
use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::read;
use super::source_body::SourceBody;
use crate::auth::{Change, CurrentUser};
use crate::error::Result;
use crate::knowledge::change::{self, Edit};
use crate::knowledge::source::{TITLE_CHARS_MAX, bounded_metadata};
use crate::state::AppState;
use crate::web::text::{no_nul, not_blank};
use crate::web::{Json, Path, Problems};

/// What to change in a source; what is absent stays.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeSource {
    /// What it is called, 1 to 500 characters.
    #[garde(length(chars, max = TITLE_CHARS_MAX), inner(custom(not_blank)))]
    #[schema(min_length = 1, max_length = 500)]
    pub title: Option<String>,
    /// Its label, 1 to 100 characters.
    #[garde(length(chars, min = 1, max = 100), inner(custom(no_nul)))]
    #[schema(min_length = 1, max_length = 100)]
    pub scope: Option<String>,
    /// Your own fields, in place of those it has; at most 32 KiB of JSON.
    #[garde(inner(custom(bounded_metadata)))]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
    /// The collection of yours it is to be in; null takes it out.
    #[serde(default)]
    #[garde(skip)]
    #[schema(value_type = Option<Uuid>)]
    pub collection_id: Change<Uuid>,
}

/// Changes a source.
///
/// It keeps its id, and its passages are found meanwhile. Title, scope and metadata are part of what is
/// indexed: it is ingested again for them (202), from the text that is stored. 409 `id_would_change` where
/// another title or scope would make it another source: without an `external_id` both are part of its id,
/// and whether it is yours, the tenant's or everybody's always is. 409 `not_ready` until it is ingested.
#[utoipa::path(
    patch,
    path = "/knowledge/sources/{id}",
    tag = "knowledge",
    params(("id" = Uuid, Path, description = "The source.")),
    request_body = ChangeSource,
    responses(
        (status = 200, description = "The source as it is now.", body = SourceBody),
        (status = 202, description = "It is ingested again.", body = SourceBody),
        Problems
    )
)]
pub async fn change_source(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeSource>,
) -> Result<(StatusCode, Json<SourceBody>)> {
    let ChangeSource { title, scope, metadata, collection_id } = request;
    let edit = Edit { title, scope, metadata, collection: collection_id.map(CollectionId) };
    let is_queued = change::change(&state, &user, SourceId(id), edit).await?;
    let status = if is_queued { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, read::shown(&state, &user, SourceId(id)).await?))
}

/// Tries a source again that failed.
///
/// 409 `not_failed` for any other, so however often it is asked there is one new job; 409 `file_gone` for
/// a file that could not be read, which is not kept: send it again.
#[utoipa::path(
    post,
    path = "/knowledge/sources/{id}/retry",
    tag = "knowledge",
    params(("id" = Uuid, Path, description = "The source.")),
    responses((status = 202, description = "It is on its way again.", body = SourceBody), Problems)
)]
pub async fn retry_source(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<SourceBody>)> {
    change::retry(&state, &user, SourceId(id)).await?;
    Ok((StatusCode::ACCEPTED, read::shown(&state, &user, SourceId(id)).await?))
}
