//! `PATCH /memories/{id}`

use axum::extract::State;
use entity::ids::MemoryId;
use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Memory, storable};
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::memory::edit::{Edit, edit as apply};
use crate::state::AppState;
use crate::web::text::not_blank;
use crate::web::{Json, Path, Problems};

/// What to change; a field that is absent or null stays as it is.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditMemory {
    /// New text: 1 to 8,000 characters, and no longer than the embedding model reads.
    #[garde(length(chars, max = 8000), inner(custom(not_blank)))]
    #[schema(min_length = 1, max_length = 8000)]
    pub content: Option<String>,
    /// New label, at most 100 characters. A memory does not move between your own and the shared ones.
    #[garde(length(chars, max = 100), inner(custom(not_blank)))]
    #[schema(max_length = 100)]
    pub scope: Option<String>,
    /// New metadata in place of the old, at most 16 KiB of JSON.
    #[garde(inner(custom(storable)))]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// Edit a memory.
///
/// The id stays. A new text is embedded anew, so search finds the new meaning
/// and no longer the old one. Shared memories are edited by administrators.
/// 409 when another memory says the same.
#[utoipa::path(
    patch,
    path = "/memories/{id}",
    tag = "memory",
    params(("id" = Uuid, Path, description = "Key of the memory")),
    request_body = EditMemory,
    responses((status = 200, description = "The memory as it is now", body = Memory), Problems)
)]
pub async fn edit(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<EditMemory>,
) -> Result<Json<Memory>> {
    let wanted = Edit {
        content: request.content,
        scope: request.scope,
        metadata: request.metadata.map(Value::Object),
    };
    let row = apply(&state, &user, MemoryId(id), wanted).await?;
    Ok(Json(row.into()))
}
