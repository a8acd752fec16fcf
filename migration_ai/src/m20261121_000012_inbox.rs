//! What ai has learned from core, generations that are never used twice, and
//! the quarantine of rows whose other half is gone.

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
-- One row an event of core's outbox, written in the transaction that applies
-- it: a second delivery finds it and changes nothing. Without an outcome the
-- event is being applied in batches. It also says for a while what is gone.
CREATE TABLE ai_inbox (
    event_id        uuid        NOT NULL,
    kind            text        NOT NULL,
    aggregate_type  text        NOT NULL,
    aggregate_id    uuid        NOT NULL,
    outcome         jsonb,
    received_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ai_inbox PRIMARY KEY (event_id)
);
CREATE INDEX ix_ai_inbox_aggregate ON ai_inbox (aggregate_id, kind);
CREATE INDEX ix_ai_inbox_received ON ai_inbox (received_at);

-- A deletion names the generation it saw. What was made again since has a
-- higher one, whatever became of the row in between.
CREATE SEQUENCE ai_generation_seq AS bigint;
SELECT setval('ai_generation_seq', coalesce((SELECT max(generation) FROM ai_kb_sources), 0) + 1, false);
ALTER TABLE ai_kb_sources ALTER COLUMN generation SET DEFAULT nextval('ai_generation_seq');
ALTER TABLE ai_memories ADD COLUMN generation bigint NOT NULL DEFAULT nextval('ai_generation_seq');

-- The run that ingests a source; a run that lost its lease writes nothing.
ALTER TABLE ai_kb_sources ADD COLUMN lease_owner uuid;

-- Owners are looked for when an account goes.
CREATE INDEX ix_ai_kb_sources_owner ON ai_kb_sources (owner_id) WHERE owner_id IS NOT NULL;

-- Rows without their other half, of either database: repaired when they are
-- still so after a week.
CREATE TABLE ai_quarantine (
    table_name     text        NOT NULL,
    row_id         uuid        NOT NULL,
    reason         text        NOT NULL,
    first_seen_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_ai_quarantine PRIMARY KEY (table_name, reason, row_id)
);
";

const DOWN: &str = r"
DROP TABLE ai_quarantine;
DROP INDEX ix_ai_kb_sources_owner;
ALTER TABLE ai_kb_sources DROP COLUMN lease_owner;
ALTER TABLE ai_memories DROP COLUMN generation;
ALTER TABLE ai_kb_sources ALTER COLUMN generation SET DEFAULT 1;
DROP SEQUENCE ai_generation_seq;
DROP TABLE ai_inbox;
";
