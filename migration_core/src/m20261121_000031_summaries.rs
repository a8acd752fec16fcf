//! Summaries of what fell out of the prompts' budget.

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
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

const UP: &str = r"
-- One a conversation: of the path up to a message, that one included. On
-- another branch, which does not hold that message, it does not count.
CREATE TABLE conversation_summaries (
    conversation_id   uuid        NOT NULL,
    through_id        uuid        NOT NULL,
    through_position  integer     NOT NULL,
    content           text        NOT NULL,
    updated_at        timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_conversation_summaries PRIMARY KEY (conversation_id),
    CONSTRAINT fk_conversation_summaries_conversation FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
    CONSTRAINT fk_conversation_summaries_through FOREIGN KEY (through_id) REFERENCES messages (id) ON DELETE CASCADE
);
CREATE INDEX ix_conversation_summaries_through ON conversation_summaries (through_id);
ALTER TABLE usage_records DROP CONSTRAINT ck_usage_records_kind;
ALTER TABLE usage_records ADD CONSTRAINT ck_usage_records_kind
    CHECK (kind IN ('chat', 'embedding', 'title', 'summary', 'extraction', 'enrichment'));
";

const DOWN: &str = r"
DELETE FROM usage_records WHERE kind = 'summary';
ALTER TABLE usage_records DROP CONSTRAINT ck_usage_records_kind;
ALTER TABLE usage_records ADD CONSTRAINT ck_usage_records_kind
    CHECK (kind IN ('chat', 'embedding', 'title', 'extraction', 'enrichment'));
DROP TABLE conversation_summaries;
";
