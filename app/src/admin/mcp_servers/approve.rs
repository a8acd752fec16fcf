//! Look at a server's tools, and approve them.

use axum::extract::State;
use entity::ids::McpServerId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::http::McpServerView;
use crate::auth::AdminUser;
use crate::error::Result;
use crate::state::AppState;
use crate::tools::external::{self, Pin, Standing};
use crate::web::{Json, Path, Problems, text};

/// A tool of an external server.
#[derive(Debug, Serialize, ToSchema)]
pub struct ToolView {
    /// Its name at the server.
    name: String,
    /// What the server says about it.
    description: String,
    /// The JSON schema of its arguments.
    #[schema(value_type = Object)]
    schema: Value,
    /// Of everything that is said about it; to approve it by.
    hash: String,
    /// How it stands.
    standing: Standing,
}

impl From<Pin> for ToolView {
    fn from(pin: Pin) -> Self {
        let Pin { name, description, schema, hash, standing } = pin;
        Self { name, description, schema, hash, standing }
    }
}

/// What a server has.
#[derive(Debug, Serialize, ToSchema)]
pub struct McpServerTools {
    /// Its tools now, and approved ones that it has no more.
    items: Vec<ToolView>,
}

/// Tools to approve.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApproveMcpTools {
    /// All that are to be offered; what is not among them is withdrawn.
    #[garde(length(max = 64), dive)]
    #[schema(max_items = 64)]
    pub tools: Vec<ApprovedTool>,
}

/// A tool as it was looked at.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ApprovedTool {
    /// Its name at the server.
    #[garde(length(chars, max = 100), custom(text::not_blank))]
    pub name: String,
    /// The hash it had.
    #[garde(length(chars, max = 100), custom(text::not_blank))]
    pub hash: String,
}

/// Look at the tools of an external MCP server.
///
/// Asks the server. An approved tool that is described otherwise by now becomes `changed`, and is not offered
/// until it is approved anew. 502 `mcp_server_failed` when the server is of no use.
#[utoipa::path(post, path = "/admin/mcp-servers/{id}/inspect", tag = "admin",
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 200, body = McpServerTools), Problems))]
pub async fn inspect(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
) -> Result<Json<McpServerTools>> {
    let inspected = external::inspect(&state, McpServerId(id)).await?;
    Ok(Json(McpServerTools { items: inspected.tools.into_iter().map(ToolView::from).collect() }))
}

/// Approve tools of an external MCP server.
///
/// By name and hash, as they were looked at; they are what the server's users are offered from then on. 409
/// `tool_changed` if the server describes one of them otherwise by now.
#[utoipa::path(post, path = "/admin/mcp-servers/{id}/approve", tag = "admin", request_body = ApproveMcpTools,
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 200, body = McpServerView), Problems))]
pub async fn approve(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ApproveMcpTools>,
) -> Result<Json<McpServerView>> {
    let wanted: Vec<(String, String)> =
        request.tools.into_iter().map(|tool| (tool.name, tool.hash)).collect();
    Ok(Json(external::approve(&state, McpServerId(id), &wanted).await?.into()))
}
