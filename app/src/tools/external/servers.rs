//! The servers that administrators added, and what was approved of them.

use entity::core::mcp_server::{self, AuthorizationHeader, Model};
use entity::ids::McpServerId;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde::{Deserialize, Deserializer};

use super::address::{allowed, require_on};
use super::pin::Pin;
use crate::db::{CoreConn, CoreDb};
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::{Cursor, Page, PageQuery};

/// Servers there may be.
pub(super) const SERVERS_MAX: u64 = 20;

/// A server to be.
#[derive(Debug)]
pub struct NewServer {
    /// Its id to be.
    pub id: McpServerId,
    /// What the names of its tools begin with.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it is sent to be let in.
    pub authorization: Option<AuthorizationHeader>,
}

/// What to change in a server.
#[derive(Debug, Default)]
pub struct Change {
    /// Whether its tools are offered.
    pub is_enabled: Option<bool>,
    /// What it is sent from now on.
    pub authorization: Credentials,
}

/// What a server is to be sent to be let in. In JSON: absent, null, or the value.
#[derive(Debug, Default)]
pub enum Credentials {
    /// What it was sent before.
    #[default]
    Unchanged,
    /// Nothing.
    Nothing,
    /// This.
    Header(AuthorizationHeader),
}

impl<'de> Deserialize<'de> for Credentials {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A field that is absent is not read at all: it is the default.
        let given = Option::<String>::deserialize(deserializer)?;
        Ok(given.map_or(Self::Nothing, |value| Self::Header(AuthorizationHeader(value))))
    }
}

/// Adds a server; nothing of it is offered yet. 409 `external_mcp_off`,
/// `name_taken` or `too_many_servers`, 422 for an address that is not allowed.
pub async fn add(state: &AppState, new: NewServer) -> Result<Model> {
    require_on(&state.settings.tools)?;
    allowed(&state.settings.tools, &new.url).map_err(|why| Error::field("url", why))?;
    if mcp_server::Entity::find().count(&state.core).await? >= SERVERS_MAX {
        return Err(Error::conflict("too_many_servers", format!("there are at most {SERVERS_MAX} servers")));
    }
    let row = mcp_server::ActiveModel {
        id: Set(new.id),
        name: Set(new.name),
        url: Set(new.url),
        authorization_header: Set(new.authorization),
        ..Default::default()
    };
    let inserted = mcp_server::Entity::insert(row).exec_with_returning(&state.core).await;
    inserted.map_err(|error| match error.sql_err() {
        Some(sea_orm::SqlErr::UniqueConstraintViolation(_)) => {
            Error::conflict("name_taken", "another server has this name")
        }
        _ => error.into(),
    })
}

/// A page of the servers, newest first.
pub async fn list(core: &impl CoreConn, page: &PageQuery) -> Result<Page<Model>> {
    let mut query = mcp_server::Entity::find()
        .order_by_desc(mcp_server::Column::CreatedAt)
        .order_by_desc(mcp_server::Column::Id)
        .limit(page.limit + 1);
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(mcp_server::Column::CreatedAt), Expr::col(mcp_server::Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let rows = query.all(core).await?;
    Ok(Page::of(rows, page.limit, |row| Cursor { at: row.created_at, id: row.id.0 }, |row| row))
}

/// A server.
pub async fn find(core: &impl CoreConn, id: McpServerId) -> Result<Model> {
    mcp_server::Entity::find_by_id(id).one(core).await?.ok_or(Error::NotFound("MCP server"))
}

/// Changes a server.
pub async fn change(core: &CoreDb, id: McpServerId, change: Change) -> Result<Model> {
    let mut update = mcp_server::Entity::update_many()
        .col_expr(mcp_server::Column::UpdatedAt, Expr::cust("now()"))
        .filter(mcp_server::Column::Id.eq(id));
    if let Some(is_enabled) = change.is_enabled {
        update = update.col_expr(mcp_server::Column::IsEnabled, Expr::val(is_enabled));
    }
    let header = match change.authorization {
        Credentials::Unchanged => None,
        Credentials::Nothing => Some(None),
        Credentials::Header(header) => Some(Some(header.0)),
    };
    if let Some(header) = header {
        update = update.col_expr(mcp_server::Column::AuthorizationHeader, Expr::val(header));
    }
    update.exec(core).await?;
    find(core, id).await
}

/// Deletes a server; its tools are not offered any more.
pub async fn delete(core: &CoreDb, id: McpServerId) -> Result<()> {
    let deleted = mcp_server::Entity::delete_by_id(id).exec(core).await?;
    if deleted.rows_affected == 0 { Err(Error::NotFound("MCP server")) } else { Ok(()) }
}

/// What was approved of a server.
pub fn pins(server: &Model) -> Vec<Pin> {
    serde_json::from_value(server.tools.clone()).unwrap_or_default()
}
