//! What users say of calls that reach outside.

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
        manager.get_connection().execute_unprepared("DROP TABLE tool_approvals").await?;
        Ok(())
    }
}

const UP: &str = r"
-- A call of a tool that waits, or waited, for its user. Of the call itself only
-- the id is kept: the turn that made it knows the rest.
CREATE TABLE tool_approvals (
    message_id  uuid        NOT NULL,
    call_id     text        NOT NULL,
    expires_at  timestamptz NOT NULL,
    decision    text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    decided_at  timestamptz,
    CONSTRAINT pk_tool_approvals PRIMARY KEY (message_id, call_id),
    CONSTRAINT fk_tool_approvals_message FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE,
    CONSTRAINT ck_tool_approvals_call_id CHECK (char_length(call_id) BETWEEN 1 AND 64),
    CONSTRAINT ck_tool_approvals_decision CHECK (decision IN ('approved', 'denied', 'expired')),
    CONSTRAINT ck_tool_approvals_decided CHECK ((decision IS NULL) = (decided_at IS NULL))
);
";
