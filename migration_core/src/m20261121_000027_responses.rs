//! Answers that were asked for through `/v1/responses`, and quota reserved for calls that are no message.

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
-- What a client asked beside the words that stand in the conversation. The
-- answer itself is the message; it takes this row with it when it goes.
CREATE TABLE responses (
    message_id  uuid   NOT NULL,
    -- What the client is told again of its request.
    request     jsonb  NOT NULL,
    -- What it gave, item by item.
    input       jsonb  NOT NULL,
    -- The client's own tools that the model called.
    calls       jsonb  NOT NULL DEFAULT '[]',
    -- Why the provider ended the answer early.
    cut         text,
    CONSTRAINT pk_responses PRIMARY KEY (message_id),
    CONSTRAINT fk_responses_message FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE,
    CONSTRAINT ck_responses_request CHECK (jsonb_typeof(request) = 'object'),
    CONSTRAINT ck_responses_input CHECK (jsonb_typeof(input) = 'array'),
    CONSTRAINT ck_responses_calls CHECK (jsonb_typeof(calls) = 'array'),
    CONSTRAINT ck_responses_cut CHECK (cut IN ('length', 'content_filter'))
);

-- A call that is no message says itself until when it may run; null: as long as
-- the message is written. An embedding counts as no message.
ALTER TABLE usage_reservations
    ADD COLUMN messages smallint NOT NULL DEFAULT 1,
    ADD COLUMN expires_at timestamptz,
    ADD CONSTRAINT ck_usage_reservations_messages CHECK (messages IN (0, 1));
";

const DOWN: &str = r"
ALTER TABLE usage_reservations DROP COLUMN expires_at, DROP COLUMN messages;
DROP TABLE responses;
";
