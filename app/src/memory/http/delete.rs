//! `DELETE /memories/{id}` and `DELETE /memories?confirm=true`

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use entity::ids::MemoryId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::memory::delete::{forget, forget_all};
use crate::state::AppState;
use crate::web::{self, Json, Path, Problems, Query};

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
    responses((status = 204, description = "Gone"), (status = 202, description = "It goes when the ai database is back"), Problems)
)]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    Ok(web::gone(forget(&state, &user, MemoryId(id)).await?))
}

/// Delete all your own memories.
///
/// Shared memories stay. Without `confirm=true` nothing is deleted: 422.
#[utoipa::path(
    delete,
    path = "/memories",
    tag = "memory",
    params(Confirmation),
    responses(
        (status = 200, description = "How many there were", body = Deleted),
        (status = 202, description = "They go when the ai database is back"),
        Problems
    )
)]
pub async fn delete_all(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<Confirmation>,
) -> Result<Response> {
    if !query.confirm {
        return Err(Error::field("confirm", "must be true: this deletes all your memories"));
    }
    Ok(match forget_all(&state, &user).await? {
        Some(deleted) => Json(Deleted { deleted }).into_response(),
        None => StatusCode::ACCEPTED.into_response(),
    })
}
