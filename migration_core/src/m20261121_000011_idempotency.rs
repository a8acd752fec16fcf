//! What was done under an idempotency key.

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
CREATE TABLE idempotency_keys (
    id                uuid        NOT NULL,
    user_id           uuid        NOT NULL,
    method            text        NOT NULL,
    path              text        NOT NULL,
    key               text        NOT NULL,
    request_hash      bytea       NOT NULL,
    -- The id of what the request makes, decided before it is made: whoever
    -- tries again after a crash makes the same row, and so none.
    resource_id       uuid        NOT NULL,
    state             text        NOT NULL DEFAULT 'running',
    lease_owner       uuid,
    lease_expires_at  timestamptz,
    status            integer,
    content_type      text,
    body              bytea,
    created_at        timestamptz NOT NULL DEFAULT now(),
    expires_at        timestamptz NOT NULL,
    CONSTRAINT pk_idempotency_keys PRIMARY KEY (id),
    CONSTRAINT fk_idempotency_keys_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT uq_idempotency_keys_request UNIQUE (user_id, method, path, key),
    CONSTRAINT ck_idempotency_keys_state CHECK (state IN ('running', 'done')),
    CONSTRAINT ck_idempotency_keys_lease
        CHECK ((state = 'running') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL)),
    CONSTRAINT ck_idempotency_keys_answer CHECK ((state = 'done') = (status IS NOT NULL)),
    CONSTRAINT ck_idempotency_keys_key CHECK (char_length(key) BETWEEN 1 AND 255)
);
CREATE INDEX ix_idempotency_keys_expires ON idempotency_keys (expires_at);
CREATE INDEX ix_idempotency_keys_resource ON idempotency_keys (user_id, resource_id);
";

const DOWN: &str = r"
DROP TABLE idempotency_keys;
";
