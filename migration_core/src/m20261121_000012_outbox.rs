//! The outbox: what core has decided and ai has still to learn.

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
-- An event is written in the transaction it follows from. It holds ids and
-- bounds, never what was deleted. owner_id is who asked, without a foreign key:
-- the event that an account is gone outlives the account.
CREATE TABLE outbox (
    id                uuid        NOT NULL,
    position          bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
    aggregate_type    text        NOT NULL,
    aggregate_id      uuid        NOT NULL,
    kind              text        NOT NULL,
    payload           jsonb       NOT NULL DEFAULT '{}',
    owner_id          uuid,
    created_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts          integer     NOT NULL DEFAULT 0,
    run_at            timestamptz NOT NULL DEFAULT clock_timestamp(),
    lease_owner       uuid,
    lease_expires_at  timestamptz,
    delivered_at      timestamptz,
    dead_at           timestamptz,
    error             text,
    CONSTRAINT pk_outbox PRIMARY KEY (id),
    CONSTRAINT uq_outbox_position UNIQUE (position),
    CONSTRAINT ck_outbox_lease CHECK ((lease_owner IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT ck_outbox_end CHECK (delivered_at IS NULL OR dead_at IS NULL)
);
CREATE INDEX ix_outbox_due ON outbox (position) WHERE delivered_at IS NULL AND dead_at IS NULL;
-- Whether an earlier event of the same aggregate still waits.
CREATE INDEX ix_outbox_waiting ON outbox (aggregate_id, aggregate_type, position) WHERE delivered_at IS NULL;
CREATE INDEX ix_outbox_owner ON outbox (owner_id) WHERE delivered_at IS NULL;
CREATE INDEX ix_outbox_dead ON outbox (dead_at DESC, id DESC) WHERE dead_at IS NOT NULL;
CREATE INDEX ix_outbox_aggregate ON outbox (aggregate_id, aggregate_type, created_at);
CREATE INDEX ix_outbox_delivered ON outbox (delivered_at) WHERE delivered_at IS NOT NULL;
";

const DOWN: &str = r"
DROP TABLE outbox;
";
