//! `POST /mcp`

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};

use super::server::Server;
use crate::auth::{CurrentUser, Grants};
use crate::error::{Error, Result};
use crate::persona::Pair;
use crate::state::AppState;
use crate::tools::Caller;
use crate::web::{Problems, origin};

/// Longest message, in bytes: arguments of tools are short.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Longest request, beside the run of a tool: reading the message and writing the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Serve MCP.
///
/// The tools of the chat for MCP clients, over streamable HTTP without sessions: a JSON-RPC
/// message a request, at most 1 MB, and one JSON answer. An API key opens the tools of its scopes:
/// `search_knowledge` (`knowledge:read`), `recall` (`memory:read`), `remember` (`memory:write`), `forget`
/// (`memory:read` and `memory:write`, in two calls), `search_conversations` (`chat:read`), the tools over
/// portfolios and prices (`portfolio:read`) and, where it is configured, `web_search` (`chat:write`). A page in a browser may call from the origins that CORS allows.
/// A result is the envelope `{meta, data, error}`, as text and as structured content.
#[utoipa::path(post, path = "/mcp", tag = "mcp",
    request_body(content = Object, description = "A JSON-RPC message of the Model Context Protocol"),
    responses((status = 200, description = "The answer", content_type = "application/json", body = Object),
        (status = 202, description = "A notification was taken"), Problems))]
pub async fn serve(
    State(state): State<AppState>,
    user: CurrentUser,
    grants: Grants,
    request: Request,
) -> Result<Response> {
    if let Some(origin) = request.headers().get(header::ORIGIN)
        && !origin::is_allowed(&state.settings, origin)
    {
        return Err(Error::forbidden("origin_not_allowed", "pages of this origin may not call"));
    }
    let limit = REQUEST_TIMEOUT + state.settings.tools.call_timeout();
    let server = Server::new(Caller { state, user, grants, pair: Pair::default(), turn: None });
    let service = StreamableHttpService::new(
        move || Ok(server.clone()),
        Arc::new(NeverSessionManager::default()),
        // The host is not checked: a page that reaches this server under another
        // name has no key, and its origin is not allowed.
        StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_sse_keep_alive(None)
            .with_max_request_body_bytes(BODY_BYTES_MAX)
            .disable_allowed_hosts(),
    );
    let answer = tokio::time::timeout(limit, service.handle(request)).await;
    let answer = answer.map_err(|_| Error::Unavailable {
        code: "mcp_timeout",
        detail: format!("the message was not read and answered within {} s", limit.as_secs()),
        source: None,
    })?;
    if answer.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Err(Error::TooLarge { limit_bytes: BODY_BYTES_MAX });
    }
    Ok(answer.map(Body::new))
}
