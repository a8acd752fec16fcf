//! Deny by default: the layer in front of every route.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;

use crate::error::Result;
use crate::state::AppState;

/// stub
pub async fn require_user(
    State(_): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response> {
    Ok(next.run(request).await)
}
