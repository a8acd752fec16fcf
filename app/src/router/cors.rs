//! What browsers let other origins' pages do.

use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use crate::server::identified;
use crate::state::AppState;
use crate::{idempotency, web};

const IDEMPOTENCY_KEY_HEADER: HeaderName = HeaderName::from_static(idempotency::HEADER);
const LAST_EVENT_ID_HEADER: HeaderName = HeaderName::from_static("last-event-id");
/// What MCP clients add to a request.
const MCP_VERSION_HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");
const MCP_METHOD_HEADER: HeaderName = HeaderName::from_static("mcp-method");
const MCP_NAME_HEADER: HeaderName = HeaderName::from_static("mcp-name");
/// How long a browser may remember that it may ask.
const PREFLIGHT_AGE: Duration = Duration::from_mins(10);

/// Never with credentials: nothing here is authenticated by a cookie.
pub(super) fn layer(state: &AppState) -> CorsLayer {
    let settings = Arc::clone(&state.settings);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _| web::origin::is_allowed(&settings, origin)))
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            IDEMPOTENCY_KEY_HEADER,
            LAST_EVENT_ID_HEADER,
            MCP_VERSION_HEADER,
            MCP_METHOD_HEADER,
            MCP_NAME_HEADER,
        ])
        .expose_headers([identified::HEADER, header::RETRY_AFTER, idempotency::REPLAYED.0])
        .max_age(PREFLIGHT_AGE)
}
