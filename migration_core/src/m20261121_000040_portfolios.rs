//! Portfolios: accounts, lots, capital, tags, targets.

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
ALTER TABLE users ADD COLUMN tier text NOT NULL DEFAULT 'free';
ALTER TABLE users ADD CONSTRAINT ck_users_tier CHECK (tier IN ('free', 'paid'));

CREATE TABLE portfolios (
    id              uuid          NOT NULL,
    user_id         uuid          NOT NULL,
    name            text          NOT NULL,
    account_name    text          NOT NULL,
    account_type    text          NOT NULL DEFAULT 'taxable',
    currency        text          NOT NULL DEFAULT 'USD',
    description     text,
    equity_balance  numeric(20,2),
    stale_from      date,
    revision        bigint        NOT NULL DEFAULT 0,
    valued_on       date,
    created_at      timestamptz   NOT NULL DEFAULT now(),
    updated_at      timestamptz   NOT NULL DEFAULT now(),
    deleted_at      timestamptz,
    CONSTRAINT pk_portfolios PRIMARY KEY (id),
    CONSTRAINT fk_portfolios_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_portfolios_name CHECK (char_length(name) BETWEEN 1 AND 255),
    CONSTRAINT ck_portfolios_account_name CHECK (char_length(account_name) BETWEEN 1 AND 100),
    CONSTRAINT ck_portfolios_account_type CHECK (account_type IN ('taxable', 'ira', 'roth_ira', '401k', '403b', '529', 'hsa', 'trust', 'other')),
    CONSTRAINT ck_portfolios_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT ck_portfolios_description CHECK (char_length(description) <= 1000),
    CONSTRAINT ck_portfolios_equity_balance CHECK (equity_balance >= 0)
);
-- A deleted account's name is free again.
CREATE UNIQUE INDEX uq_portfolios_account_name ON portfolios (user_id, account_name) WHERE deleted_at IS NULL;
CREATE INDEX ix_portfolios_user ON portfolios (user_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX ix_portfolios_stale ON portfolios (stale_from) WHERE stale_from IS NOT NULL AND deleted_at IS NULL;

CREATE TABLE positions (
    id                  uuid          NOT NULL,
    portfolio_id        uuid          NOT NULL,
    symbol              text          NOT NULL,
    position_type       text          NOT NULL,
    investment_class    text          NOT NULL,
    investment_subtype  text,
    opened_quantity     numeric(24,8) NOT NULL,
    quantity            numeric(24,8) NOT NULL,
    multiplier          numeric(12,4) NOT NULL DEFAULT 1,
    currency            text          NOT NULL,
    entry_price         numeric(20,8) NOT NULL,
    entry_date          date          NOT NULL,
    exit_price          numeric(20,8),
    exit_date           date,
    underlying_symbol   text,
    strike_price        numeric(20,8),
    expiration_date     date,
    notes               text,
    last_price          numeric(20,8),
    last_price_date     date,
    market_value        numeric(20,2),
    cost_basis          numeric(20,2),
    unrealized_pnl      numeric(20,2),
    realized_pnl        numeric(20,2),
    created_at          timestamptz   NOT NULL DEFAULT now(),
    updated_at          timestamptz   NOT NULL DEFAULT now(),
    deleted_at          timestamptz,
    CONSTRAINT pk_positions PRIMARY KEY (id),
    CONSTRAINT fk_positions_portfolio FOREIGN KEY (portfolio_id) REFERENCES portfolios (id) ON DELETE CASCADE,
    CONSTRAINT ck_positions_symbol CHECK (symbol = upper(symbol) AND char_length(symbol) BETWEEN 1 AND 32),
    CONSTRAINT ck_positions_position_type CHECK (position_type IN ('LONG', 'SHORT', 'LC', 'LP', 'SC', 'SP')),
    CONSTRAINT ck_positions_investment_class CHECK (investment_class IN ('PUBLIC', 'OPTIONS', 'PRIVATE')),
    CONSTRAINT ck_positions_investment_subtype CHECK (char_length(investment_subtype) BETWEEN 1 AND 30),
    CONSTRAINT ck_positions_sign CHECK (CASE WHEN position_type IN ('SHORT', 'SC', 'SP') THEN opened_quantity < 0 AND quantity BETWEEN opened_quantity AND 0 ELSE opened_quantity > 0 AND quantity BETWEEN 0 AND opened_quantity END),
    CONSTRAINT ck_positions_multiplier CHECK (multiplier > 0),
    CONSTRAINT ck_positions_currency CHECK (currency ~ '^[A-Z]{3}$'),
    CONSTRAINT ck_positions_entry_price CHECK (entry_price >= 0),
    CONSTRAINT ck_positions_exit CHECK ((exit_price IS NULL) = (exit_date IS NULL) AND (exit_date IS NULL) = (quantity <> 0) AND exit_price >= 0 AND exit_date >= entry_date),
    CONSTRAINT ck_positions_option CHECK (CASE WHEN position_type IN ('LONG', 'SHORT') THEN num_nonnulls(underlying_symbol, strike_price, expiration_date) = 0 ELSE num_nonnulls(underlying_symbol, strike_price, expiration_date) = 3 AND investment_class = 'OPTIONS' AND strike_price > 0 END),
    CONSTRAINT ck_positions_notes CHECK (char_length(notes) <= 5000)
);
CREATE INDEX ix_positions_portfolio_deleted ON positions (portfolio_id, deleted_at);
CREATE INDEX ix_positions_portfolio_open ON positions (portfolio_id, deleted_at, exit_date, investment_class) WHERE deleted_at IS NULL;
CREATE INDEX ix_positions_symbol ON positions (deleted_at, symbol, exit_date, expiration_date) WHERE deleted_at IS NULL AND symbol <> '';

CREATE TABLE position_realized_events (
    id               uuid          NOT NULL,
    position_id      uuid          NOT NULL,
    portfolio_id     uuid          NOT NULL,
    trade_date       date          NOT NULL,
    quantity_closed  numeric(24,8) NOT NULL,
    price            numeric(20,8) NOT NULL,
    realized_pnl     numeric(20,2),
    created_at       timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_position_realized_events PRIMARY KEY (id),
    CONSTRAINT fk_position_realized_events_position FOREIGN KEY (position_id) REFERENCES positions (id) ON DELETE CASCADE,
    CONSTRAINT fk_position_realized_events_portfolio FOREIGN KEY (portfolio_id) REFERENCES portfolios (id) ON DELETE CASCADE,
    CONSTRAINT ck_position_realized_events_quantity CHECK (quantity_closed > 0),
    CONSTRAINT ck_position_realized_events_price CHECK (price >= 0)
);
CREATE INDEX ix_position_realized_events_portfolio ON position_realized_events (portfolio_id, trade_date);
CREATE INDEX ix_position_realized_events_position ON position_realized_events (position_id);

CREATE TABLE position_valuations (
    position_id     uuid          NOT NULL,
    valuation_date  date          NOT NULL,
    price           numeric(20,8) NOT NULL,
    created_at      timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_position_valuations PRIMARY KEY (position_id, valuation_date),
    CONSTRAINT fk_position_valuations_position FOREIGN KEY (position_id) REFERENCES positions (id) ON DELETE CASCADE,
    CONSTRAINT ck_position_valuations_price CHECK (price >= 0)
);

CREATE TABLE equity_changes (
    id                  uuid          NOT NULL,
    portfolio_id        uuid          NOT NULL,
    change_type         text          NOT NULL,
    amount              numeric(20,2) NOT NULL,
    change_date         date          NOT NULL,
    notes               text,
    created_by_user_id  uuid          NOT NULL,
    created_at          timestamptz   NOT NULL DEFAULT now(),
    updated_at          timestamptz   NOT NULL DEFAULT now(),
    deleted_at          timestamptz,
    CONSTRAINT pk_equity_changes PRIMARY KEY (id),
    CONSTRAINT fk_equity_changes_portfolio FOREIGN KEY (portfolio_id) REFERENCES portfolios (id) ON DELETE CASCADE,
    CONSTRAINT fk_equity_changes_user FOREIGN KEY (created_by_user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_equity_changes_change_type CHECK (change_type IN ('CONTRIBUTION', 'WITHDRAWAL')),
    CONSTRAINT ck_equity_changes_amount CHECK (amount > 0),
    CONSTRAINT ck_equity_changes_notes CHECK (char_length(notes) <= 500)
);
CREATE INDEX ix_equity_changes_portfolio ON equity_changes (portfolio_id, change_date);

CREATE TABLE tags (
    id             uuid        NOT NULL,
    user_id        uuid        NOT NULL,
    name           text        NOT NULL,
    color          text        NOT NULL DEFAULT '#4A90E2',
    description    text,
    display_order  integer     NOT NULL DEFAULT 0,
    archived_at    timestamptz,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_tags PRIMARY KEY (id),
    CONSTRAINT fk_tags_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT ck_tags_name CHECK (char_length(name) BETWEEN 1 AND 50),
    CONSTRAINT ck_tags_color CHECK (color ~ '^#[0-9A-Fa-f]{6}$'),
    CONSTRAINT ck_tags_description CHECK (char_length(description) <= 1000)
);
CREATE UNIQUE INDEX uq_tags_name ON tags (user_id, lower(name)) WHERE archived_at IS NULL;
CREATE INDEX ix_tags_user ON tags (user_id, display_order, id);

CREATE TABLE position_tags (
    position_id  uuid        NOT NULL,
    tag_id       uuid        NOT NULL,
    assigned_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_position_tags PRIMARY KEY (position_id, tag_id),
    CONSTRAINT fk_position_tags_position FOREIGN KEY (position_id) REFERENCES positions (id) ON DELETE CASCADE,
    CONSTRAINT fk_position_tags_tag FOREIGN KEY (tag_id) REFERENCES tags (id) ON DELETE CASCADE
);
CREATE INDEX ix_position_tags_tag ON position_tags (tag_id);

CREATE TABLE portfolio_target_prices (
    id                      uuid          NOT NULL,
    portfolio_id            uuid          NOT NULL,
    position_id             uuid,
    symbol                  text          NOT NULL,
    position_type           text,
    target_price_eoy        numeric(20,8),
    target_price_next_year  numeric(20,8),
    downside_target_price   numeric(20,8),
    current_price           numeric(20,8),
    analyst_notes           text,
    data_source             text,
    created_at              timestamptz   NOT NULL DEFAULT now(),
    updated_at              timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_portfolio_target_prices PRIMARY KEY (id),
    CONSTRAINT fk_portfolio_target_prices_portfolio FOREIGN KEY (portfolio_id) REFERENCES portfolios (id) ON DELETE CASCADE,
    CONSTRAINT fk_portfolio_target_prices_position FOREIGN KEY (position_id) REFERENCES positions (id) ON DELETE CASCADE,
    CONSTRAINT uq_portfolio_target_prices UNIQUE NULLS NOT DISTINCT (portfolio_id, symbol, position_type),
    CONSTRAINT ck_portfolio_target_prices_symbol CHECK (symbol = upper(symbol) AND char_length(symbol) BETWEEN 1 AND 32),
    CONSTRAINT ck_portfolio_target_prices_position_type CHECK (position_type IN ('LONG', 'SHORT', 'LC', 'LP', 'SC', 'SP')),
    CONSTRAINT ck_portfolio_target_prices_prices CHECK (target_price_eoy >= 0 AND target_price_next_year >= 0 AND downside_target_price >= 0 AND current_price > 0),
    CONSTRAINT ck_portfolio_target_prices_notes CHECK (char_length(analyst_notes) <= 5000 AND char_length(data_source) <= 50)
);
CREATE INDEX ix_portfolio_target_prices_position ON portfolio_target_prices (position_id) WHERE position_id IS NOT NULL;
";

const DOWN: &str = r"
DROP TABLE portfolio_target_prices;
DROP TABLE position_tags;
DROP TABLE tags;
DROP TABLE equity_changes;
DROP TABLE position_valuations;
DROP TABLE position_realized_events;
DROP TABLE positions;
DROP TABLE portfolios;
ALTER TABLE users DROP COLUMN tier;
";
