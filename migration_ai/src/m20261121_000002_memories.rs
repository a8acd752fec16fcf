//! What the chat remembers of its users.

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
CREATE TABLE ai_memories (
    id                 uuid         NOT NULL,
    owner_id           uuid,
    tenant_id          uuid,
    audience           uuid         NOT NULL GENERATED ALWAYS AS (coalesce(owner_id, tenant_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
    -- Who the user is to whom: memories of one pair stay with it.
    persona_id         uuid,
    character_id       uuid,
    scope              varchar(100) NOT NULL,
    external_id        varchar(500),
    content            text         NOT NULL,
    content_hash       bytea        NOT NULL,
    metadata           jsonb        NOT NULL DEFAULT '{}',
    -- Where it comes from: the user's own hand, or a message.
    origin             text         NOT NULL,
    source_message_id  uuid,
    created_at         timestamptz  NOT NULL DEFAULT now(),
    updated_at         timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT pk_ai_memories PRIMARY KEY (id),
    CONSTRAINT ck_ai_memories_origin CHECK (origin IN ('user', 'chat'))
);
CREATE INDEX ix_ai_memories_scope ON ai_memories (audience, scope);
-- The same text, or the same external id, is looked for before anything is written.
CREATE INDEX ix_ai_memories_content_hash ON ai_memories (audience, content_hash);
CREATE INDEX ix_ai_memories_external_id ON ai_memories (audience, external_id) WHERE external_id IS NOT NULL;
CREATE INDEX ix_ai_memories_user_id ON ai_memories (owner_id, created_at DESC, id DESC);
CREATE INDEX ix_ai_memories_tenant_id ON ai_memories (tenant_id);
CREATE INDEX ix_ai_memories_source_message_id ON ai_memories (source_message_id) WHERE source_message_id IS NOT NULL;
CREATE INDEX ix_ai_memories_metadata ON ai_memories USING gin (metadata jsonb_path_ops);
";

const DOWN: &str = r"
DROP TABLE ai_memories;
";
