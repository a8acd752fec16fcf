//! What every request passes before its route, and its answer after.

use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::auth::{self, Gate};
use crate::config::Network;
use crate::error::Result;
use crate::idempotency::{self, Keeper};
use crate::openai;
use crate::web::client;

/// What [`enter`] needs to know.
#[derive(Debug)]
pub(super) struct Edge {
    /// Whose word about clients is believed.
    pub(super) proxies: Vec<Network>,
    pub(super) gate: Gate,
    pub(super) keeper: Keeper,
}

/// Finds out who asks and whether they may, and does once what is asked twice. Whatever
/// is said against it is said in the shape that the caller's clients know.
pub(super) async fn enter(
    State(edge): State<Arc<Edge>>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let is_openais = openai::is_ours(request.uri().path());
    let response = admit(&edge, route.as_ref(), request, next).await.unwrap_or_else(IntoResponse::into_response);
    if is_openais { openai::in_its_shape(response).await } else { response }
}

async fn admit(edge: &Edge, route: Option<&MatchedPath>, mut request: Request, next: Next) -> Result<Response> {
    client::identify(&edge.proxies, &mut request);
    auth::require_user(&edge.gate, route, &mut request).await?;
    idempotency::keep(&edge.keeper, route, request, next).await
}
