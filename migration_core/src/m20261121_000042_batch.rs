//! Runs of the batch, and the snapshots they write.

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

// What a column means stands on its entity.
const UP: &str = r"
CREATE TABLE batch_run_history (
    id                uuid        NOT NULL,
    triggered_by      text        NOT NULL,
    status            text        NOT NULL DEFAULT 'queued',
    portfolio_id      uuid,
    from_date         date,
    to_date           date,
    force             boolean     NOT NULL DEFAULT false,
    prices_only       boolean     NOT NULL DEFAULT false,
    phase             text,
    total_jobs        integer     NOT NULL DEFAULT 0,
    completed_jobs    integer     NOT NULL DEFAULT 0,
    failed_jobs       integer     NOT NULL DEFAULT 0,
    phase_durations   jsonb       NOT NULL DEFAULT '{}',
    error_summary     jsonb,
    lease_owner       uuid,
    lease_expires_at  timestamptz,
    attempts          integer     NOT NULL DEFAULT 0,
    created_at        timestamptz NOT NULL DEFAULT now(),
    started_at        timestamptz,
    completed_at      timestamptz,
    CONSTRAINT pk_batch_run_history PRIMARY KEY (id),
    CONSTRAINT fk_batch_run_history_portfolio FOREIGN KEY (portfolio_id) REFERENCES portfolios (id) ON DELETE CASCADE,
    CONSTRAINT ck_batch_run_history_status CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled')),
    CONSTRAINT ck_batch_run_history_lease CHECK ((status = 'running') = (lease_owner IS NOT NULL) AND (lease_owner IS NULL) = (lease_expires_at IS NULL)),
    CONSTRAINT ck_batch_run_history_dates CHECK (from_date <= to_date)
);
-- One run over all at a time, and one over each portfolio; and one that waits behind it.
CREATE UNIQUE INDEX uq_batch_run_history_open ON batch_run_history (coalesce(portfolio_id, '00000000-0000-0000-0000-000000000000'), status) WHERE status IN ('queued', 'running');
CREATE INDEX ix_batch_run_history_created ON batch_run_history (created_at DESC, id DESC);

CREATE TABLE batch_run_portfolios (
    run_id        uuid        NOT NULL,
    portfolio_id  uuid        NOT NULL,
    error         text,
    created_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_batch_run_portfolios PRIMARY KEY (run_id, portfolio_id),
    CONSTRAINT fk_batch_run_portfolios_run FOREIGN KEY (run_id) REFERENCES batch_run_history (id) ON DELETE CASCADE,
    CONSTRAINT fk_batch_run_portfolios_portfolio FOREIGN KEY (portfolio_id) REFERENCES portfolios (id) ON DELETE CASCADE
);

CREATE TABLE batch_run_logs (
    run_id      uuid        NOT NULL,
    seq         integer     NOT NULL,
    level       text        NOT NULL,
    message     text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_batch_run_logs PRIMARY KEY (run_id, seq),
    CONSTRAINT fk_batch_run_logs_run FOREIGN KEY (run_id) REFERENCES batch_run_history (id) ON DELETE CASCADE,
    CONSTRAINT ck_batch_run_logs_level CHECK (level IN ('info', 'warning'))
);

CREATE TABLE batch_jobs (
    id                 uuid        NOT NULL,
    run_id             uuid        NOT NULL,
    job_name           text        NOT NULL,
    status             text        NOT NULL DEFAULT 'queued',
    records_processed  bigint      NOT NULL DEFAULT 0,
    error_message      text,
    job_metadata       jsonb       NOT NULL DEFAULT '{}',
    started_at         timestamptz,
    completed_at       timestamptz,
    created_at         timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_batch_jobs PRIMARY KEY (id),
    CONSTRAINT fk_batch_jobs_run FOREIGN KEY (run_id) REFERENCES batch_run_history (id) ON DELETE CASCADE,
    CONSTRAINT uq_batch_jobs_phase UNIQUE (run_id, job_name),
    CONSTRAINT ck_batch_jobs_status CHECK (status IN ('queued', 'running', 'completed', 'failed', 'cancelled'))
);

CREATE TABLE batch_run_tracking (
    run_date              date             NOT NULL,
    run_id                uuid,
    prices_status         text,
    valuation_status      text,
    snapshots_status      text,
    portfolios_processed  integer          NOT NULL DEFAULT 0,
    symbols_fetched       integer          NOT NULL DEFAULT 0,
    data_coverage         double precision,
    error_message         text,
    completed_at          timestamptz,
    created_at            timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT pk_batch_run_tracking PRIMARY KEY (run_date),
    CONSTRAINT fk_batch_run_tracking_run FOREIGN KEY (run_id) REFERENCES batch_run_history (id) ON DELETE SET NULL,
    CONSTRAINT ck_batch_run_tracking_status CHECK (prices_status IN ('completed', 'failed') AND valuation_status IN ('completed', 'failed') AND snapshots_status IN ('completed', 'failed'))
);

CREATE TABLE batch_job_schedules (
    id               uuid        NOT NULL,
    job_name         text        NOT NULL,
    job_type         text        NOT NULL,
    cron_expression  text        NOT NULL,
    timezone         text        NOT NULL DEFAULT 'America/New_York',
    is_active        boolean     NOT NULL DEFAULT true,
    description      text,
    last_run_at      timestamptz,
    next_run_at      timestamptz,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_batch_job_schedules PRIMARY KEY (id),
    CONSTRAINT uq_batch_job_schedules_job_name UNIQUE (job_name),
    CONSTRAINT ck_batch_job_schedules_job_type CHECK (job_type = 'batch')
);

-- After the close in New York, when the prices of the day are there.
INSERT INTO batch_job_schedules (id, job_name, job_type, cron_expression, timezone, description)
VALUES ('6f3a0d52-6f0e-5d0c-9d55-2b1c6a0f7e11', 'nightly', 'batch', '30 17 * * 1-5', 'America/New_York', 'Prices, values, P&L and snapshots of the trading day');

CREATE TABLE portfolio_snapshots (
    portfolio_id             uuid             NOT NULL,
    snapshot_date            date             NOT NULL,
    run_id                   uuid,
    total_value              numeric(20,2)    NOT NULL,
    cash_value               numeric(20,2)    NOT NULL,
    long_value               numeric(20,2)    NOT NULL,
    short_value              numeric(20,2)    NOT NULL,
    gross_exposure           numeric(20,2)    NOT NULL,
    net_exposure             numeric(20,2)    NOT NULL,
    cost_basis               numeric(20,2)    NOT NULL,
    unrealized_pnl           numeric(20,2)    NOT NULL,
    daily_pnl                numeric(20,2)    NOT NULL,
    daily_realized_pnl       numeric(20,2)    NOT NULL,
    daily_income             numeric(20,2)    NOT NULL,
    daily_capital_flow       numeric(20,2)    NOT NULL,
    daily_return             double precision,
    cumulative_pnl           numeric(20,2)    NOT NULL,
    cumulative_realized_pnl  numeric(20,2)    NOT NULL,
    cumulative_income        numeric(20,2)    NOT NULL,
    cumulative_capital_flow  numeric(20,2)    NOT NULL,
    cumulative_return        double precision,
    num_positions            integer          NOT NULL,
    num_long_positions       integer          NOT NULL,
    num_short_positions      integer          NOT NULL,
    data_quality             jsonb            NOT NULL,
    is_complete              boolean          NOT NULL DEFAULT false,
    created_at               timestamptz      NOT NULL DEFAULT now(),
    updated_at               timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT pk_portfolio_snapshots PRIMARY KEY (portfolio_id, snapshot_date),
    CONSTRAINT fk_portfolio_snapshots_portfolio FOREIGN KEY (portfolio_id) REFERENCES portfolios (id) ON DELETE CASCADE,
    CONSTRAINT ck_portfolio_snapshots_exposure CHECK (gross_exposure = long_value - short_value AND net_exposure = long_value + short_value AND total_value = net_exposure + cash_value)
);
";

const DOWN: &str = r"
DROP TABLE portfolio_snapshots;
DROP TABLE batch_job_schedules;
DROP TABLE batch_run_tracking;
DROP TABLE batch_jobs;
DROP TABLE batch_run_logs;
DROP TABLE batch_run_portfolios;
DROP TABLE batch_run_history;
";
