//! `GET /memories`

use axum::extract::State;
use garde::Validate;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Memory;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::memory::queries::{self, Filter};
use crate::state::AppState;
use crate::web::page::{LIMIT_MAX, limit_default};
use crate::web::text::no_nul;
use crate::web::{Cursor, Json, Page, Problems, Query};

/// Query parameters of the list of memories.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MemoryQuery {
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
    /// Only memories with this label, at most 100 characters.
    #[garde(length(chars, max = 100), inner(custom(no_nul)))]
    #[param(max_length = 100)]
    pub scope: Option<String>,
    /// Only memories of this persona.
    #[garde(skip)]
    pub persona_id: Option<Uuid>,
    /// Only memories of this character.
    #[garde(skip)]
    pub character_id: Option<Uuid>,
}

/// List your own memories, newest first.
///
/// Shared memories are found by search; they are not listed here.
#[utoipa::path(
    get,
    path = "/memories",
    tag = "memory",
    params(MemoryQuery),
    responses((status = 200, description = "A page", body = Page<Memory>), Problems)
)]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<MemoryQuery>,
) -> Result<Json<Page<Memory>>> {
    let filter =
        Filter { scope: query.scope, persona_id: query.persona_id, character_id: query.character_id };
    state.outbox.settle(user.id).await?;
    let rows = queries::list_own(&state.ai, user.id, filter, query.limit, query.cursor).await?;
    Ok(Json(Page::of(rows, query.limit, |row| Cursor { at: row.created_at, id: row.id.0 }, Memory::from)))
}
