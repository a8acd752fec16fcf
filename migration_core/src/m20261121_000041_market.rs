//! Market data: prices, events, profiles, statements, funds, benchmarks.

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
CREATE TABLE symbol_universe (
    symbol           text        NOT NULL,
    asset_type       text        NOT NULL DEFAULT 'equity',
    currency         text,
    sector           text,
    industry         text,
    first_seen_date  date        NOT NULL DEFAULT CURRENT_DATE,
    last_seen_date   date        NOT NULL DEFAULT CURRENT_DATE,
    is_active        boolean     NOT NULL DEFAULT true,
    changed_from     date,
    created_at       timestamptz NOT NULL DEFAULT now(),
    updated_at       timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_symbol_universe PRIMARY KEY (symbol),
    CONSTRAINT ck_symbol_universe_symbol CHECK (symbol = upper(symbol) AND char_length(symbol) BETWEEN 1 AND 32),
    CONSTRAINT ck_symbol_universe_asset_type CHECK (asset_type IN ('equity', 'etf', 'fund', 'option', 'index', 'fx', 'other')),
    CONSTRAINT ck_symbol_universe_currency CHECK (currency ~ '^[A-Z]{3}$')
);
CREATE INDEX ix_symbol_universe_changed ON symbol_universe (changed_from) WHERE changed_from IS NOT NULL;
CREATE INDEX ix_symbol_universe_sector ON symbol_universe (sector) WHERE sector IS NOT NULL;

CREATE TABLE market_data_cache (
    symbol       text          NOT NULL,
    date         date          NOT NULL,
    open         numeric(20,8),
    high         numeric(20,8),
    low          numeric(20,8),
    close        numeric(20,8) NOT NULL,
    volume       bigint,
    data_source  text          NOT NULL,
    created_at   timestamptz   NOT NULL DEFAULT now(),
    updated_at   timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_market_data_cache PRIMARY KEY (symbol, date),
    CONSTRAINT ck_market_data_cache_symbol CHECK (symbol = upper(symbol) AND char_length(symbol) BETWEEN 1 AND 32),
    CONSTRAINT ck_market_data_cache_prices CHECK (close > 0 AND open > 0 AND high > 0 AND low > 0 AND volume >= 0)
);
-- A series of closes is read from the index alone.
CREATE INDEX ix_market_data_cache_close ON market_data_cache (symbol, date) INCLUDE (close) WHERE close > 0;
CREATE INDEX ix_market_data_cache_date ON market_data_cache (date);

CREATE TABLE corporate_actions (
    symbol       text           NOT NULL,
    ex_date      date           NOT NULL,
    kind         text           NOT NULL,
    value        numeric(24,12) NOT NULL,
    data_source  text           NOT NULL,
    created_at   timestamptz    NOT NULL DEFAULT now(),
    updated_at   timestamptz    NOT NULL DEFAULT now(),
    CONSTRAINT pk_corporate_actions PRIMARY KEY (symbol, ex_date, kind),
    CONSTRAINT ck_corporate_actions_symbol CHECK (symbol = upper(symbol) AND char_length(symbol) BETWEEN 1 AND 32),
    CONSTRAINT ck_corporate_actions_kind CHECK (kind IN ('split', 'dividend')),
    CONSTRAINT ck_corporate_actions_value CHECK (value > 0)
);

CREATE TABLE trading_calendar (
    exchange    text        NOT NULL,
    date        date        NOT NULL,
    is_open     boolean     NOT NULL,
    note        text,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_trading_calendar PRIMARY KEY (exchange, date),
    CONSTRAINT ck_trading_calendar_exchange CHECK (exchange = 'XNYS'),
    CONSTRAINT ck_trading_calendar_note CHECK (char_length(note) <= 200)
);

CREATE TABLE company_profiles (
    symbol                      text             NOT NULL,
    company_name                text,
    sector                      text,
    industry                    text,
    exchange                    text,
    country                     text,
    currency                    text,
    market_cap                  numeric(24,2),
    description                 text,
    is_etf                      boolean          NOT NULL DEFAULT false,
    is_fund                     boolean          NOT NULL DEFAULT false,
    ceo                         text,
    website                     text,
    pe_ratio                    double precision,
    forward_pe                  double precision,
    dividend_yield              double precision,
    beta                        double precision,
    week_52_high                numeric(20,8),
    week_52_low                 numeric(20,8),
    target_mean_price           numeric(20,8),
    target_high_price           numeric(20,8),
    target_low_price            numeric(20,8),
    recommendation_mean         double precision,
    recommendation_key          text,
    forward_eps                 numeric(20,8),
    earnings_growth             double precision,
    revenue_growth              double precision,
    profit_margins              double precision,
    operating_margins           double precision,
    gross_margins               double precision,
    return_on_assets            double precision,
    return_on_equity            double precision,
    total_revenue               numeric(24,2),
    current_year_revenue_avg    numeric(24,2),
    current_year_revenue_low    numeric(24,2),
    current_year_revenue_high   numeric(24,2),
    current_year_earnings_avg   numeric(20,8),
    current_year_earnings_low   numeric(20,8),
    current_year_earnings_high  numeric(20,8),
    current_year_end_date       date,
    next_year_revenue_avg       numeric(24,2),
    next_year_revenue_low       numeric(24,2),
    next_year_revenue_high      numeric(24,2),
    next_year_earnings_avg      numeric(20,8),
    next_year_earnings_low      numeric(20,8),
    next_year_earnings_high     numeric(20,8),
    next_year_end_date          date,
    next_earnings_date          date,
    next_earnings_expected_eps  numeric(20,8),
    data_source                 text             NOT NULL,
    created_at                  timestamptz      NOT NULL DEFAULT now(),
    updated_at                  timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT pk_company_profiles PRIMARY KEY (symbol),
    CONSTRAINT ck_company_profiles_symbol CHECK (symbol = upper(symbol) AND char_length(symbol) BETWEEN 1 AND 32),
    CONSTRAINT ck_company_profiles_currency CHECK (currency ~ '^[A-Z]{3}$')
);

CREATE TABLE income_statements (
    symbol                              text          NOT NULL,
    period_date                         date          NOT NULL,
    frequency                           text          NOT NULL,
    fiscal_year                         integer,
    fiscal_quarter                      integer,
    total_revenue                       numeric(24,2),
    cost_of_revenue                     numeric(24,2),
    gross_profit                        numeric(24,2),
    research_and_development            numeric(24,2),
    selling_general_and_administrative  numeric(24,2),
    operating_income                    numeric(24,2),
    ebit                                numeric(24,2),
    ebitda                              numeric(24,2),
    net_income                          numeric(24,2),
    tax_provision                       numeric(24,2),
    interest_expense                    numeric(24,2),
    depreciation_and_amortization       numeric(24,2),
    diluted_eps                         numeric(20,8),
    basic_eps                           numeric(20,8),
    basic_average_shares                bigint,
    diluted_average_shares              bigint,
    currency                            text          NOT NULL DEFAULT 'USD',
    data_source                         text          NOT NULL,
    created_at                          timestamptz   NOT NULL DEFAULT now(),
    updated_at                          timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_income_statements PRIMARY KEY (symbol, period_date, frequency),
    CONSTRAINT ck_income_statements_symbol CHECK (symbol = upper(symbol) AND char_length(symbol) BETWEEN 1 AND 32),
    CONSTRAINT ck_income_statements_frequency CHECK (frequency IN ('q', 'a') AND fiscal_quarter BETWEEN 1 AND 4),
    CONSTRAINT ck_income_statements_currency CHECK (currency ~ '^[A-Z]{3}$')
);

CREATE TABLE balance_sheets (
    symbol                     text          NOT NULL,
    period_date                date          NOT NULL,
    frequency                  text          NOT NULL,
    fiscal_year                integer,
    fiscal_quarter             integer,
    total_assets               numeric(24,2),
    current_assets             numeric(24,2),
    cash_and_cash_equivalents  numeric(24,2),
    short_term_investments     numeric(24,2),
    accounts_receivable        numeric(24,2),
    inventory                  numeric(24,2),
    property_plant_equipment   numeric(24,2),
    intangible_assets          numeric(24,2),
    total_liabilities          numeric(24,2),
    current_liabilities        numeric(24,2),
    accounts_payable           numeric(24,2),
    short_term_debt            numeric(24,2),
    long_term_debt             numeric(24,2),
    total_debt                 numeric(24,2),
    total_stockholders_equity  numeric(24,2),
    retained_earnings          numeric(24,2),
    common_stock               numeric(24,2),
    book_value_per_share       numeric(20,8),
    currency                   text          NOT NULL DEFAULT 'USD',
    data_source                text          NOT NULL,
    created_at                 timestamptz   NOT NULL DEFAULT now(),
    updated_at                 timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_balance_sheets PRIMARY KEY (symbol, period_date, frequency),
    CONSTRAINT ck_balance_sheets_symbol CHECK (symbol = upper(symbol) AND char_length(symbol) BETWEEN 1 AND 32),
    CONSTRAINT ck_balance_sheets_frequency CHECK (frequency IN ('q', 'a') AND fiscal_quarter BETWEEN 1 AND 4),
    CONSTRAINT ck_balance_sheets_currency CHECK (currency ~ '^[A-Z]{3}$')
);

CREATE TABLE cash_flows (
    symbol                         text          NOT NULL,
    period_date                    date          NOT NULL,
    frequency                      text          NOT NULL,
    fiscal_year                    integer,
    fiscal_quarter                 integer,
    operating_cash_flow            numeric(24,2),
    depreciation_and_amortization  numeric(24,2),
    stock_based_compensation       numeric(24,2),
    change_in_working_capital      numeric(24,2),
    investing_cash_flow            numeric(24,2),
    capital_expenditures           numeric(24,2),
    acquisitions                   numeric(24,2),
    purchases_of_investments       numeric(24,2),
    financing_cash_flow            numeric(24,2),
    dividends_paid                 numeric(24,2),
    stock_repurchases              numeric(24,2),
    debt_issuance_repayment        numeric(24,2),
    net_change_in_cash             numeric(24,2),
    beginning_cash_position        numeric(24,2),
    free_cash_flow                 numeric(24,2),
    currency                       text          NOT NULL DEFAULT 'USD',
    data_source                    text          NOT NULL,
    created_at                     timestamptz   NOT NULL DEFAULT now(),
    updated_at                     timestamptz   NOT NULL DEFAULT now(),
    CONSTRAINT pk_cash_flows PRIMARY KEY (symbol, period_date, frequency),
    CONSTRAINT ck_cash_flows_symbol CHECK (symbol = upper(symbol) AND char_length(symbol) BETWEEN 1 AND 32),
    CONSTRAINT ck_cash_flows_frequency CHECK (frequency IN ('q', 'a') AND fiscal_quarter BETWEEN 1 AND 4),
    CONSTRAINT ck_cash_flows_currency CHECK (currency ~ '^[A-Z]{3}$')
);

CREATE TABLE fund_holdings (
    fund_symbol     text             NOT NULL,
    holding_symbol  text             NOT NULL,
    last_updated    date             NOT NULL,
    holding_name    text,
    weight          double precision NOT NULL,
    shares          numeric(24,8),
    market_value    numeric(24,2),
    data_source     text             NOT NULL,
    created_at      timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT pk_fund_holdings PRIMARY KEY (fund_symbol, holding_symbol, last_updated),
    CONSTRAINT ck_fund_holdings_weight CHECK (weight BETWEEN -10 AND 10)
);
CREATE INDEX ix_fund_holdings_fund ON fund_holdings (fund_symbol, last_updated DESC);
CREATE INDEX ix_fund_holdings_holding ON fund_holdings (holding_symbol);

CREATE TABLE benchmarks_sector_weights (
    benchmark_code    text             NOT NULL,
    asof_date         date             NOT NULL,
    sector            text             NOT NULL,
    weight            double precision NOT NULL,
    market_cap        numeric(24,2),
    num_constituents  integer,
    data_source       text             NOT NULL,
    created_at        timestamptz      NOT NULL DEFAULT now(),
    CONSTRAINT pk_benchmarks_sector_weights PRIMARY KEY (benchmark_code, asof_date, sector),
    CONSTRAINT ck_benchmarks_sector_weights_weight CHECK (weight BETWEEN 0 AND 1)
);

CREATE TABLE factor_definitions (
    id                  uuid        NOT NULL,
    code                text        NOT NULL,
    name                text        NOT NULL,
    factor_type         text        NOT NULL,
    calculation_method  text        NOT NULL,
    long_symbol         text        NOT NULL,
    short_symbol        text,
    description         text        NOT NULL,
    display_order       integer     NOT NULL,
    is_active           boolean     NOT NULL DEFAULT true,
    created_at          timestamptz NOT NULL DEFAULT now(),
    updated_at          timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_factor_definitions PRIMARY KEY (id),
    CONSTRAINT uq_factor_definitions_code UNIQUE (code),
    CONSTRAINT ck_factor_definitions_factor_type CHECK (factor_type IN ('market', 'rates', 'style', 'spread')),
    CONSTRAINT ck_factor_definitions_method CHECK (calculation_method IN ('ols', 'ridge', 'provider')),
    CONSTRAINT ck_factor_definitions_spread CHECK ((factor_type = 'spread') = (short_symbol IS NOT NULL))
);

CREATE TABLE stress_test_scenarios (
    id            uuid        NOT NULL,
    scenario_id   text        NOT NULL,
    name          text        NOT NULL,
    description   text        NOT NULL,
    category      text        NOT NULL,
    severity      text        NOT NULL,
    shock_config  jsonb       NOT NULL,
    is_active     boolean     NOT NULL DEFAULT true,
    created_at    timestamptz NOT NULL DEFAULT now(),
    updated_at    timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_stress_test_scenarios PRIMARY KEY (id),
    CONSTRAINT uq_stress_test_scenarios_scenario_id UNIQUE (scenario_id),
    CONSTRAINT ck_stress_test_scenarios_category CHECK (category IN ('base', 'market', 'rates', 'rotation', 'volatility', 'historical')),
    CONSTRAINT ck_stress_test_scenarios_severity CHECK (severity IN ('mild', 'moderate', 'severe', 'extreme'))
);
";

const DOWN: &str = r"
DROP TABLE stress_test_scenarios;
DROP TABLE factor_definitions;
DROP TABLE benchmarks_sector_weights;
DROP TABLE fund_holdings;
DROP TABLE cash_flows;
DROP TABLE balance_sheets;
DROP TABLE income_statements;
DROP TABLE company_profiles;
DROP TABLE trading_calendar;
DROP TABLE corporate_actions;
DROP TABLE market_data_cache;
DROP TABLE symbol_universe;
";
