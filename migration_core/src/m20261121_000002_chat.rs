//! Conversations, messages, the turn's event log and citations.

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
CREATE TABLE conversations (
    id          uuid        NOT NULL,
    user_id     uuid        NOT NULL,
    title       text,
    metadata    jsonb       NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL DEFAULT now(),
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_conversations PRIMARY KEY (id),
    CONSTRAINT fk_conversations_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_conversations_title CHECK (char_length(title) <= 500)
);
CREATE INDEX ix_conversations_user ON conversations (user_id, created_at DESC, id DESC);

CREATE TABLE messages (
    id                uuid        NOT NULL,
    conversation_id   uuid        NOT NULL,
    parent_id         uuid,
    -- Order within the conversation; time alone ties, ids are random enough.
    position          integer     NOT NULL,
    role              text        NOT NULL,
    status            text        NOT NULL,
    content           text        NOT NULL DEFAULT '',
    ui_context        jsonb,
    -- How the answer was made: mode, model, what was retrieved.
    mode              text,
    model             text,
    memories          jsonb       NOT NULL DEFAULT '[]',
    prompt_tokens     integer,
    completion_tokens integer,
    total_tokens      integer,
    first_token_ms    integer,
    latency_ms        integer,
    error             jsonb,
    -- The turn that writes this row: which process, until when. Every write
    -- of the turn is fenced by both.
    lease_owner       uuid,
    lease_expires_at  timestamptz,
    created_at        timestamptz NOT NULL DEFAULT now(),
    completed_at      timestamptz,
    CONSTRAINT pk_messages PRIMARY KEY (id),
    CONSTRAINT fk_messages_conversation FOREIGN KEY (conversation_id) REFERENCES conversations (id) ON DELETE CASCADE,
    CONSTRAINT fk_messages_parent FOREIGN KEY (parent_id) REFERENCES messages (id) ON DELETE CASCADE,
    CONSTRAINT uq_messages_position UNIQUE (conversation_id, position),
    CONSTRAINT ck_messages_role CHECK (role IN ('user', 'assistant')),
    CONSTRAINT ck_messages_status CHECK (status IN ('streaming', 'complete', 'failed', 'cancelled', 'interrupted')),
    CONSTRAINT ck_messages_lease CHECK ((status = 'streaming') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL))
);
CREATE INDEX ix_messages_parent ON messages (parent_id);
-- One running turn a conversation, whatever races.
CREATE UNIQUE INDEX uq_messages_running ON messages (conversation_id) WHERE status = 'streaming';
CREATE INDEX ix_messages_lease ON messages (lease_expires_at) WHERE status = 'streaming';

CREATE TABLE message_events (
    message_id  uuid        NOT NULL,
    seq         integer     NOT NULL,
    event       text        NOT NULL,
    data        jsonb       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_message_events PRIMARY KEY (message_id, seq),
    CONSTRAINT fk_message_events_message FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE
);
CREATE INDEX ix_message_events_created ON message_events (created_at);

-- One row a marker in the answer. Document and source live in ai: plain ids.
CREATE TABLE citations (
    id            uuid        NOT NULL,
    message_id    uuid        NOT NULL,
    ordinal       integer     NOT NULL,
    index         integer     NOT NULL,
    document_id   uuid        NOT NULL,
    source_id     uuid        NOT NULL,
    title         text        NOT NULL,
    quote         text        NOT NULL,
    -- Span of the marker in the answer, in Unicode code points.
    span_start    integer     NOT NULL,
    span_end      integer     NOT NULL,
    deleted       boolean     NOT NULL DEFAULT false,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_citations PRIMARY KEY (id),
    CONSTRAINT fk_citations_message FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE,
    CONSTRAINT uq_citations_ordinal UNIQUE (message_id, ordinal),
    CONSTRAINT ck_citations_span CHECK (span_start >= 0 AND span_end > span_start)
);
CREATE INDEX ix_citations_source ON citations (source_id);
";

const DOWN: &str = r"
DROP TABLE citations;
DROP TABLE message_events;
DROP TABLE messages;
DROP TABLE conversations;
";
