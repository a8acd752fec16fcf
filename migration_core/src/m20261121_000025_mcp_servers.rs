//! External MCP servers that administrators added.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("DROP TABLE mcp_servers").await?;
        Ok(())
    }
}

const UP: &str = r"
-- `tools` holds what an administrator approved: name, description, schema and
-- the hash of all three, and whether the server still says the same.
CREATE TABLE mcp_servers (
    id             uuid        NOT NULL,
    name           text        NOT NULL,
    url            text        NOT NULL,
    authorization_header text,
    is_enabled     boolean     NOT NULL DEFAULT true,
    tools          jsonb       NOT NULL DEFAULT '[]',
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_mcp_servers PRIMARY KEY (id),
    CONSTRAINT uq_mcp_servers_name UNIQUE (name),
    CONSTRAINT ck_mcp_servers_name CHECK (name ~ '^[a-z][a-z0-9-]{0,19}$'),
    CONSTRAINT ck_mcp_servers_url CHECK (url ~ '^https?://' AND char_length(url) <= 500),
    CONSTRAINT ck_mcp_servers_tools CHECK (jsonb_typeof(tools) = 'array')
);
CREATE INDEX ix_mcp_servers_created ON mcp_servers (created_at, id);
";
