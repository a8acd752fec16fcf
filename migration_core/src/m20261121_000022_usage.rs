//! What models were used for and what it cost, quotas, and a model of one's own for a conversation.

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
ALTER TABLE conversations ADD COLUMN model text;
ALTER TABLE conversations ADD CONSTRAINT ck_conversations_model CHECK (char_length(model) BETWEEN 1 AND 200);
ALTER TABLE messages ADD COLUMN cached_prompt_tokens integer, ADD COLUMN reasoning_tokens integer;

-- One row a call of a model. Holds no words, and outlives the account: what was
-- spent was spent. Whose it was goes with the account.
CREATE TABLE usage_records (
    id                    uuid          NOT NULL,
    user_id               uuid,
    tenant_id             uuid,
    kind                  text          NOT NULL,
    provider              text          NOT NULL,
    model                 text          NOT NULL,
    prompt_tokens         integer       NOT NULL,
    cached_prompt_tokens  integer       NOT NULL,
    completion_tokens     integer       NOT NULL,
    reasoning_tokens      integer       NOT NULL,
    total_tokens          integer       NOT NULL,
    -- The provider did not count.
    estimated             boolean       NOT NULL,
    -- US dollars; null when the model's price is not known.
    cost_usd              numeric(18,9),
    outcome               text          NOT NULL,
    message_id            uuid,
    latency_ms            integer       NOT NULL,
    created_at            timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_usage_records PRIMARY KEY (id),
    CONSTRAINT fk_usage_records_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE SET NULL,
    CONSTRAINT ck_usage_records_kind CHECK (kind IN ('chat', 'embedding', 'title', 'extraction', 'enrichment')),
    CONSTRAINT ck_usage_records_outcome CHECK (outcome IN ('complete', 'failed', 'cancelled')),
    CONSTRAINT ck_usage_records_tokens CHECK (prompt_tokens >= 0 AND cached_prompt_tokens >= 0
        AND completion_tokens >= 0 AND reasoning_tokens >= 0 AND total_tokens >= 0)
);
-- The calls of one answer are one row, whoever writes it.
CREATE UNIQUE INDEX ux_usage_records_message ON usage_records (message_id) WHERE kind = 'chat';
CREATE INDEX ix_usage_records_user ON usage_records (user_id, created_at);
CREATE INDEX ix_usage_records_created ON usage_records (created_at);

-- A user's answers of a month: what they took, and what running turns may take yet.
CREATE TABLE usage_months (
    user_id            uuid          NOT NULL,
    month              date          NOT NULL,
    used_tokens        bigint        NOT NULL DEFAULT 0,
    used_cost          numeric(18,9) NOT NULL DEFAULT 0,
    used_messages      bigint        NOT NULL DEFAULT 0,
    reserved_tokens    bigint        NOT NULL DEFAULT 0,
    reserved_cost      numeric(18,9) NOT NULL DEFAULT 0,
    reserved_messages  bigint        NOT NULL DEFAULT 0,
    CONSTRAINT pk_usage_months PRIMARY KEY (user_id, month),
    CONSTRAINT fk_usage_months_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_usage_months_reserved CHECK (reserved_tokens >= 0 AND reserved_cost >= 0 AND reserved_messages >= 0)
);

-- What one running turn may take. Who deletes the row gives it back, so it is
-- given back once. The message may go first: no foreign key.
CREATE TABLE usage_reservations (
    message_id  uuid          NOT NULL,
    user_id     uuid          NOT NULL,
    month       date          NOT NULL,
    tokens      bigint        NOT NULL,
    cost        numeric(18,9) NOT NULL,
    created_at  timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_usage_reservations PRIMARY KEY (message_id),
    CONSTRAINT fk_usage_reservations_month FOREIGN KEY (user_id, month)
        REFERENCES usage_months (user_id, month) ON DELETE CASCADE
);
CREATE INDEX ix_usage_reservations_month ON usage_reservations (user_id, month);
CREATE INDEX ix_usage_reservations_created ON usage_reservations (created_at);

-- A user's own limits; null: the server's, 0: none.
CREATE TABLE usage_quotas (
    user_id           uuid          NOT NULL,
    monthly_tokens    bigint,
    monthly_cost_usd  numeric(18,9),
    monthly_messages  bigint,
    updated_at        timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_usage_quotas PRIMARY KEY (user_id),
    CONSTRAINT fk_usage_quotas_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_usage_quotas_limits CHECK (monthly_tokens >= 0 AND monthly_cost_usd >= 0 AND monthly_messages >= 0)
);
";

const DOWN: &str = r"
DROP TABLE usage_quotas;
DROP TABLE usage_reservations;
DROP TABLE usage_months;
DROP TABLE usage_records;
ALTER TABLE messages DROP COLUMN reasoning_tokens, DROP COLUMN cached_prompt_tokens;
ALTER TABLE conversations DROP COLUMN model;
";
