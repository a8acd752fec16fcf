//! Searching.

use axum::extract::State;

use crate::auth::CurrentUser;
use crate::error::Result;
use crate::knowledge::{SearchRequest, SearchResult};
use crate::state::AppState;
use crate::web::{Json, Problems};

/// Searches passages by meaning and by words.
///
/// Finds among the user's own sources, those shared with the tenant or
/// globally, and those in collections the user may read. With any filter, `limit` hits come back whenever that many exist.
#[utoipa::path(
    post,
    path = "/knowledge/search",
    tag = "knowledge",
    request_body = SearchRequest,
    responses((status = 200, description = "The nearest passages.", body = SearchResult), Problems)
)]
pub async fn search(
    State(state): State<AppState>,
    user: CurrentUser,
    Json(request): Json<SearchRequest>,
) -> Result<Json<SearchResult>> {
    state.outbox.settle(user.id).await?;
    Ok(Json(crate::knowledge::search(&state, &user.audience(), request).await?))
}
