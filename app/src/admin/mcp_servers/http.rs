//! Add, list, read, change, delete.

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::core::mcp_server::{AuthorizationHeader, Model};
use entity::ids::McpServerId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::approve::ToolView;
use crate::auth::AdminUser;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::state::AppState;
use crate::tools::external::{self, Change, Credentials, NewServer};
use crate::web::{Json, Page, PageQuery, Path, Problems, Query, text};

/// A server to add.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateMcpServer {
    /// What the names of its tools begin with, `name__tool`: 1 to 20 lower-case letters, digits and dashes, a letter first.
    #[garde(custom(is_name))]
    #[schema(max_length = 20, pattern = "^[a-z][a-z0-9-]{0,19}$")]
    pub name: String,
    /// Its address, `http` or `https`, on a host that `tools.external_mcp_hosts` names.
    #[garde(length(chars, max = 500), custom(text::no_nul))]
    #[schema(max_length = 500)]
    pub url: String,
    /// The value of `Authorization` to send it, such as `Bearer ...`. It is never shown again.
    #[garde(inner(custom(is_header)))]
    #[schema(max_length = 4000)]
    pub authorization: Option<String>,
}

/// What to change in a server.
#[derive(Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeMcpServer {
    /// Whether its approved tools are offered.
    #[garde(skip)]
    pub is_enabled: Option<bool>,
    /// Another value of `Authorization`; null sends none.
    #[serde(default)]
    #[garde(custom(is_sendable))]
    #[schema(value_type = Option<String>, max_length = 4000)]
    pub authorization: Credentials,
}

fn is_name<C>(name: &str, _: &C) -> garde::Result {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let fits = (1..=20).contains(&name.len()) && name.bytes().all(is_plain);
    if fits && name.starts_with(|first: char| first.is_ascii_lowercase()) {
        return Ok(());
    }
    Err(garde::Error::new("must be 1 to 20 lower-case letters, digits and dashes, a letter first"))
}

fn is_header<C>(value: &str, _: &C) -> garde::Result {
    let is_visible = |byte: u8| (b' '..=b'~').contains(&byte);
    if (1..=4000).contains(&value.len()) && value.bytes().all(is_visible) && !value.trim().is_empty() {
        return Ok(());
    }
    Err(garde::Error::new("must be 1 to 4000 visible ASCII characters"))
}

fn is_sendable<C>(given: &Credentials, context: &C) -> garde::Result {
    match given {
        Credentials::Header(header) => is_header(&header.0, context),
        Credentials::Unchanged | Credentials::Nothing => Ok(()),
    }
}

/// A server, without its secret.
#[derive(Debug, Serialize, ToSchema)]
pub struct McpServerView {
    /// Its id.
    id: Uuid,
    /// What the names of its tools begin with.
    name: String,
    /// Its address.
    url: String,
    /// Whether it is sent an `Authorization`.
    has_authorization: bool,
    /// Whether its approved tools are offered.
    is_enabled: bool,
    /// What was approved of it.
    tools: Vec<ToolView>,
    /// When it was added.
    created_at: DateTime<Utc>,
    /// When it was changed last.
    updated_at: DateTime<Utc>,
}

impl From<Model> for McpServerView {
    fn from(row: Model) -> Self {
        let tools = external::pins(&row).into_iter().map(ToolView::from).collect();
        Self {
            id: row.id.0,
            name: row.name,
            url: row.url,
            has_authorization: row.authorization_header.is_some(),
            is_enabled: row.is_enabled,
            tools,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Add an external MCP server.
///
/// Nothing of it is offered until its tools are approved. 409 `external_mcp_off` while the operator has not
/// turned external servers on, `name_taken`, `too_many_servers` beyond 20.
#[utoipa::path(post, path = "/admin/mcp-servers", tag = "admin", request_body = CreateMcpServer,
    responses((status = 201, body = McpServerView), Problems))]
pub async fn create(
    State(state): State<AppState>,
    _: AdminUser,
    attempt: Attempt,
    Json(request): Json<CreateMcpServer>,
) -> Result<(StatusCode, Json<McpServerView>)> {
    let id = McpServerId(attempt.id);
    if !attempt.is_first {
        // An earlier try of this request may have added it.
        match external::find(&state.core, id).await {
            Ok(row) => return Ok((StatusCode::CREATED, Json(row.into()))),
            Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
    }
    let authorization = request.authorization.map(AuthorizationHeader);
    let new = NewServer { id, name: request.name, url: request.url, authorization };
    Ok((StatusCode::CREATED, Json(external::add(&state, new).await?.into())))
}

/// List external MCP servers.
#[utoipa::path(get, path = "/admin/mcp-servers", tag = "admin", params(PageQuery),
    responses((status = 200, body = Page<McpServerView>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    _: AdminUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<McpServerView>>> {
    let Page { items, next_cursor } = external::list(&state.core, &page).await?;
    Ok(Json(Page { items: items.into_iter().map(McpServerView::from).collect(), next_cursor }))
}

/// Read an external MCP server.
#[utoipa::path(get, path = "/admin/mcp-servers/{id}", tag = "admin",
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 200, body = McpServerView), Problems))]
pub async fn read(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
) -> Result<Json<McpServerView>> {
    Ok(Json(external::find(&state.core, McpServerId(id)).await?.into()))
}

/// Change an external MCP server.
///
/// Another address is another server: delete this one and add that.
#[utoipa::path(patch, path = "/admin/mcp-servers/{id}", tag = "admin", request_body = ChangeMcpServer,
    params(("id" = Uuid, Path, description = "The server")),
    responses((status = 200, body = McpServerView), Problems))]
pub async fn change(
    State(state): State<AppState>,
    _: AdminUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeMcpServer>,
) -> Result<Json<McpServerView>> {
    let change = Change { is_enabled: request.is_enabled, authorization: request.authorization };
    Ok(Json(external::change(&state.core, McpServerId(id), change).await?.into()))
}

/// Delete an external MCP server.
#[utoipa::path(delete, path = "/admin/mcp-servers/{id}", tag = "admin",
    params(("id" = Uuid, Path, description = "The server")), responses((status = 204), Problems))]
pub async fn delete(State(state): State<AppState>, _: AdminUser, Path(id): Path<Uuid>) -> Result<StatusCode> {
    external::delete(&state.core, McpServerId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
