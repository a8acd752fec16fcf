//! Embedding spaces, sources and their passages.

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
CREATE EXTENSION IF NOT EXISTS vector;

-- Vectors may be compared only within one space; exactly one is active.
CREATE TABLE ai_embedding_spaces (
    id              uuid        NOT NULL,
    provider        text        NOT NULL,
    model           text        NOT NULL,
    dimensions      integer     NOT NULL,
    query_prefix    text        NOT NULL,
    passage_prefix  text        NOT NULL,
    status          text        NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ai_embedding_spaces PRIMARY KEY (id),
    CONSTRAINT uq_ai_embedding_spaces_identity UNIQUE (provider, model, dimensions, query_prefix, passage_prefix),
    CONSTRAINT ck_ai_embedding_spaces_status CHECK (status IN ('active', 'retired')),
    CONSTRAINT ck_ai_embedding_spaces_dimensions CHECK (dimensions BETWEEN 1 AND 4000)
);
CREATE UNIQUE INDEX uq_ai_embedding_spaces_active ON ai_embedding_spaces ((true)) WHERE status = 'active';

-- A text somebody gave us. owner_id is a user of core; without an owner it is
-- shared with the tenant, and without a tenant with everybody. audience is the
-- one column that every search filters on.
CREATE TABLE ai_kb_sources (
    id            uuid         NOT NULL,
    owner_id      uuid,
    tenant_id     uuid,
    audience      uuid         NOT NULL GENERATED ALWAYS AS (coalesce(owner_id, tenant_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
    external_id   varchar(500),
    scope         varchar(100) NOT NULL,
    title         varchar(500) NOT NULL,
    media_type    varchar(100) NOT NULL,
    content       text         NOT NULL,
    content_hash  bytea        NOT NULL,
    metadata      jsonb        NOT NULL DEFAULT '{}',
    status        text         NOT NULL,
    -- Counts replacements: an ingestion writes only if nothing newer came.
    generation    bigint       NOT NULL DEFAULT 1,
    documents     integer      NOT NULL DEFAULT 0,
    job_id        uuid,
    error         text,
    created_at    timestamptz  NOT NULL DEFAULT now(),
    updated_at    timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT pk_ai_kb_sources PRIMARY KEY (id),
    CONSTRAINT ck_ai_kb_sources_status CHECK (status IN ('queued', 'processing', 'ready', 'failed'))
);
CREATE INDEX ix_ai_kb_sources_audience ON ai_kb_sources (audience, created_at DESC, id DESC);
CREATE INDEX ix_ai_kb_sources_pending ON ai_kb_sources (updated_at) WHERE status IN ('queued', 'processing');

-- A passage of a source, as it is embedded, searched and cited. The embedding
-- column and its index belong to the space.
CREATE TABLE ai_kb_documents (
    id            uuid         NOT NULL,
    source_id     uuid         NOT NULL,
    owner_id      uuid,
    tenant_id     uuid,
    audience      uuid         NOT NULL GENERATED ALWAYS AS (coalesce(owner_id, tenant_id, '00000000-0000-0000-0000-000000000000'::uuid)) STORED,
    scope         varchar(100) NOT NULL,
    title         varchar(500) NOT NULL,
    heading_path  text         NOT NULL DEFAULT '',
    content       text         NOT NULL,
    position      integer      NOT NULL,
    char_start    integer      NOT NULL,
    char_end      integer      NOT NULL,
    tokens        integer      NOT NULL,
    metadata      jsonb        NOT NULL DEFAULT '{}',
    created_at    timestamptz  NOT NULL DEFAULT now(),
    updated_at    timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT pk_ai_kb_documents PRIMARY KEY (id),
    CONSTRAINT fk_ai_kb_documents_source FOREIGN KEY (source_id) REFERENCES ai_kb_sources (id) ON DELETE CASCADE,
    CONSTRAINT uq_ai_kb_documents_position UNIQUE (source_id, position),
    CONSTRAINT ck_ai_kb_documents_span CHECK (char_start >= 0 AND char_end > char_start)
);
CREATE INDEX ix_ai_kb_documents_scope ON ai_kb_documents (audience, scope);
CREATE INDEX ix_ai_kb_documents_created ON ai_kb_documents (created_at);
CREATE INDEX ix_ai_kb_documents_metadata ON ai_kb_documents USING gin (metadata jsonb_path_ops);
";

const DOWN: &str = r"
DROP TABLE ai_kb_documents;
DROP TABLE ai_kb_sources;
DROP TABLE ai_embedding_spaces;
-- The extension stays: other tables of the database may use it.
";
