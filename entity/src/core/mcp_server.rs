//! External MCP servers that administrators added.

use crate::ids::McpServerId;
use sea_orm::DeriveValueType;
use sea_orm::entity::prelude::*;

/// The value of the header `Authorization`; not printable.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct AuthorizationHeader(pub String);

impl std::fmt::Debug for AuthorizationHeader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "mcp_servers")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: McpServerId,
    /// What the names of its tools begin with.
    #[sea_orm(unique)]
    pub name: String,
    /// Where it is.
    pub url: String,
    /// What it is sent to be let in.
    pub authorization_header: Option<AuthorizationHeader>,
    /// Its tools are offered.
    pub is_enabled: bool,
    /// What was approved of it.
    #[sea_orm(column_type = "JsonBinary")]
    pub tools: Json,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When it was changed last.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
