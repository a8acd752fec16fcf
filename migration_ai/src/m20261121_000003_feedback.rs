//! Votes on answers.

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
-- message_id, conversation_id and user_id live in core: plain ids, checked there.
CREATE TABLE ai_feedback (
    id               uuid        NOT NULL,
    message_id       uuid        NOT NULL,
    conversation_id  uuid        NOT NULL,
    user_id          uuid        NOT NULL,
    rating           varchar(10) NOT NULL,
    comment          text,
    edited_text      text,
    tags             jsonb       NOT NULL DEFAULT '[]',
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ai_feedback PRIMARY KEY (id),
    CONSTRAINT uq_ai_feedback_vote UNIQUE (message_id, user_id),
    CONSTRAINT ck_ai_feedback_rating CHECK (rating IN ('up', 'down'))
);
CREATE INDEX ix_ai_feedback_message_id ON ai_feedback (message_id);
CREATE INDEX ix_ai_feedback_conversation_id ON ai_feedback (conversation_id);
CREATE INDEX ix_ai_feedback_user_id ON ai_feedback (user_id);
CREATE INDEX ix_ai_feedback_rating ON ai_feedback (rating);
";

const DOWN: &str = r"
DROP TABLE ai_feedback;
";
