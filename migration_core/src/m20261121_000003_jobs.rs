//! The job queue.

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
CREATE TABLE jobs (
    id                uuid        NOT NULL,
    kind              text        NOT NULL,
    payload           jsonb       NOT NULL,
    -- Who asked for it; it goes with the account.
    user_id           uuid,
    status            text        NOT NULL DEFAULT 'queued',
    priority          smallint    NOT NULL DEFAULT 0,
    attempts          integer     NOT NULL DEFAULT 0,
    attempts_max      integer     NOT NULL DEFAULT 5,
    run_at            timestamptz NOT NULL DEFAULT now(),
    lease_owner       uuid,
    lease_expires_at  timestamptz,
    progress_done     bigint      NOT NULL DEFAULT 0,
    progress_total    bigint,
    error             text,
    created_at        timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz,
    finished_at       timestamptz,
    CONSTRAINT pk_jobs PRIMARY KEY (id),
    CONSTRAINT fk_jobs_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_jobs_status CHECK (status IN ('queued', 'running', 'succeeded', 'failed')),
    CONSTRAINT ck_jobs_lease CHECK ((status = 'running') = (lease_owner IS NOT NULL AND lease_expires_at IS NOT NULL))
);
CREATE INDEX ix_jobs_due ON jobs (priority DESC, run_at, id) WHERE status = 'queued';
CREATE INDEX ix_jobs_lease ON jobs (lease_expires_at) WHERE status = 'running';
CREATE INDEX ix_jobs_user ON jobs (user_id);
CREATE INDEX ix_jobs_finished ON jobs (finished_at) WHERE finished_at IS NOT NULL;
";

const DOWN: &str = r"
DROP TABLE jobs;
";
