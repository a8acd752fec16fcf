//! The outermost layer: each request gets an id and is counted.

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::Next;
use axum::response::Response;
use tokio::time::Instant;
use tracing::Instrument;
use uuid::Uuid;

use crate::telemetry::metrics::Metrics;
use crate::web::problem::REQUEST_ID;

/// The header that carries a request's id, both ways.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Gives each request an id, which its log lines, problems and answer carry,
/// and counts its answer.
pub async fn identified(
    State(metrics): State<Metrics>,
    route: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let id = request
        .headers()
        .get(HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_harmless(id))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let method = request.method().clone();
    let span = tracing::info_span!("request", request_id = %id, %method, path = request.uri().path());
    let started = Instant::now();
    let running = metrics.request();
    let mut response = REQUEST_ID.scope(id.clone(), next.run(request)).instrument(span.clone()).await;
    drop(running);
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(HEADER, value);
    }
    let (status, took) = (response.status().as_u16(), started.elapsed());
    metrics.answered(route.as_ref().map_or("unmatched", MatchedPath::as_str), &method, status, took);
    let duration_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(status, duration_ms, "answered"));
    response
}

/// A caller's id goes into log lines, so it is short and plain.
fn is_harmless(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}
