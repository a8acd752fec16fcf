//! `GET /memories/{id}`

use axum::extract::State;
use entity::ids::MemoryId;
use uuid::Uuid;

use super::Memory;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::memory::queries;
use crate::state::AppState;
use crate::web::{Json, Path, Problems};

/// Read a memory: your own, or one shared with you.
#[utoipa::path(
    get,
    path = "/memories/{id}",
    tag = "memory",
    params(("id" = Uuid, Path, description = "Key of the memory")),
    responses((status = 200, description = "The memory", body = Memory), Problems)
)]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<Memory>> {
    state.outbox.settle(user.id).await?;
    let row = queries::find(&state.ai, &user.audience(), MemoryId(id)).await?;
    Ok(Json(row.into()))
}
