//! Turns that are cancelled from any replica, and tickets to follow them.

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
-- Asks the process that writes the turn to end it.
ALTER TABLE messages ADD COLUMN cancel_requested_at timestamptz;

-- A ticket opens one message's stream once, for its user; only its hash is kept.
CREATE TABLE stream_tickets (
    ticket_hash  bytea       NOT NULL,
    user_id      uuid        NOT NULL,
    message_id   uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    CONSTRAINT pk_stream_tickets PRIMARY KEY (ticket_hash),
    CONSTRAINT fk_stream_tickets_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_stream_tickets_message FOREIGN KEY (message_id) REFERENCES messages (id) ON DELETE CASCADE
);
CREATE INDEX ix_stream_tickets_user ON stream_tickets (user_id);
CREATE INDEX ix_stream_tickets_message ON stream_tickets (message_id);
CREATE INDEX ix_stream_tickets_expiry ON stream_tickets (expires_at);
";

const DOWN: &str = r"
DROP TABLE stream_tickets;
ALTER TABLE messages DROP COLUMN cancel_requested_at;
";
