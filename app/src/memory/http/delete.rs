//! `DELETE /memories/{id}` and `DELETE /memories?confirm=true`

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::MemoryId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::idempotency;
use crate::memory::edit::forget;
use crate::memory::queries;
use crate::state::AppState;
use crate::web::{Json, Path, Problems, Query};

/// Query parameters of the deletion of everything.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Confirmation {
    /// Must be `true`.
    #[garde(skip)]
    #[serde(default)]
    pub confirm: bool,
}

/// How much was deleted.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Deleted {
    /// Rows that are gone.
    pub deleted: u64,
}

/// Delete a memory.
///
/// Shared memories are deleted by administrators.
#[utoipa::path(
    delete,
    path = "/memories/{id}",
    tag = "memory",
    params(("id" = Uuid, Path, description = "Key of the memory")),
    responses((status = 204, description = "Gone"), Problems)
)]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    idempotency::forget(&state.core, user.id, id).await?;
    forget(&state, &user, MemoryId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Delete all your own memories.
///
/// Shared memories stay. Without `confirm=true` nothing is deleted: 422.
#[utoipa::path(
    delete,
    path = "/memories",
    tag = "memory",
    params(Confirmation),
    responses((status = 200, description = "How many there were", body = Deleted), Problems)
)]
pub async fn delete_all(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<Confirmation>,
) -> Result<Json<Deleted>> {
    if !query.confirm {
        return Err(Error::field("confirm", "must be true: this deletes all your memories"));
    }
    for path_end in ["/memories", "/memories/batch"] {
        idempotency::forget_made_at(&state.core, user.id, path_end).await?;
    }
    let deleted = queries::delete_own(&state.ai, user.id).await?;
    Ok(Json(Deleted { deleted }))
}
