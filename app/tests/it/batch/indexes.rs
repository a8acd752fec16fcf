//! The indexes whose loss once made a day of the batch take twenty times as long. P-DB-7.

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::fixture::execute;
use crate::support::TestApp;

/// A hundred portfolios of 40 lots, a fifth of them deleted and a fifth closed; 100 symbols with 400 days;
/// a hundred days of snapshots.
const ROWS: &str = "
INSERT INTO portfolios (id, user_id, name, account_name)
SELECT md5('p' || p)::uuid, $1, 'One', 'Account ' || p FROM generate_series(1, 100) AS p;";
const LOTS: &str = "
INSERT INTO positions (id, portfolio_id, symbol, position_type, investment_class, opened_quantity, quantity, currency,
                       entry_price, entry_date, exit_price, exit_date, deleted_at)
SELECT md5('l' || p || '-' || l)::uuid, md5('p' || p)::uuid, 'S' || 1 + (p + l) % 100, 'LONG',
       CASE WHEN l % 4 = 0 THEN 'PRIVATE' ELSE 'PUBLIC' END, 10, CASE WHEN l % 5 = 1 THEN 0 ELSE 10 END, 'USD', 10,
       '2024-01-02', CASE WHEN l % 5 = 1 THEN 12 END, CASE WHEN l % 5 = 1 THEN DATE '2024-02-01' END,
       CASE WHEN l % 5 = 2 THEN now() END
  FROM generate_series(1, 100) AS p, generate_series(1, 40) AS l";
const PRICES: &str = "
INSERT INTO market_data_cache (symbol, date, close, data_source)
SELECT 'S' || s, DATE '2023-01-01' + d, 10 + s, 'test' FROM generate_series(1, 100) AS s, generate_series(1, 400) AS d";
const SNAPSHOTS: &str = "
INSERT INTO portfolio_snapshots (portfolio_id, snapshot_date, total_value, cash_value, long_value, short_value,
        gross_exposure, net_exposure, cost_basis, unrealized_pnl, daily_pnl, cumulative_pnl, daily_realized_pnl,
        cumulative_realized_pnl, daily_income, cumulative_income, daily_capital_flow, cumulative_capital_flow,
        num_positions, num_long_positions, num_short_positions, data_quality)
SELECT md5('p' || p)::uuid, DATE '2024-01-01' + d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{}'
  FROM generate_series(1, 100) AS p, generate_series(1, 100) AS d";

/// An index: its name, what it must be on, a question it is there for.
const INDEXES: [(&str, &str, &str); 6] = [
    (
        "pk_market_data_cache",
        "(symbol, date)",
        "SELECT close FROM market_data_cache WHERE symbol = 'S7' AND date = DATE '2023-05-05'",
    ),
    (
        "ix_market_data_cache_close",
        "(symbol, date) INCLUDE (close) WHERE (close > (0)::numeric)",
        // The closes of a symbol, as they are loaded: no row is looked at.
        "SELECT date, close FROM market_data_cache WHERE symbol = 'S7' AND date BETWEEN DATE '2023-05-05' AND DATE '2023-06-05' AND close > 0",
    ),
    (
        "ix_positions_portfolio_deleted",
        "(portfolio_id, deleted_at)",
        "SELECT id FROM positions WHERE portfolio_id = md5('p7')::uuid AND deleted_at IS NOT NULL",
    ),
    (
        "ix_positions_portfolio_open",
        "(portfolio_id, deleted_at, exit_date, investment_class) WHERE (deleted_at IS NULL)",
        "SELECT id FROM positions WHERE portfolio_id = md5('p7')::uuid AND deleted_at IS NULL AND exit_date IS NULL AND investment_class = 'PUBLIC'",
    ),
    (
        "ix_positions_symbol",
        "(deleted_at, symbol, exit_date, expiration_date) WHERE ((deleted_at IS NULL) AND (symbol <> ''::text))",
        "SELECT portfolio_id FROM positions WHERE deleted_at IS NULL AND symbol <> '' AND symbol = 'S7' AND exit_date IS NULL",
    ),
    (
        "pk_portfolio_snapshots",
        "(portfolio_id, snapshot_date)",
        "SELECT total_value FROM portfolio_snapshots WHERE portfolio_id = md5('p7')::uuid AND snapshot_date <= DATE '2024-03-01' ORDER BY snapshot_date DESC LIMIT 1",
    ),
];

#[tokio::test]
async fn the_six_indexes_are_there_and_serve_what_they_are_for() {
    let app = TestApp::start().await;
    let user = app.user().await;
    execute(app.core(), ROWS, [user.id.into()]).await;
    for rows in [LOTS, PRICES, SNAPSHOTS] {
        execute(app.core(), rows, []).await;
    }
    for table in ["positions", "market_data_cache", "portfolio_snapshots"] {
        app.core().execute_unprepared(&format!("VACUUM ANALYZE {table}")).await.unwrap();
    }
    for (name, on, question) in INDEXES {
        let definition = lines(&app, &format!("SELECT pg_get_indexdef('{name}'::regclass)")).await;
        assert!(definition[0].ends_with(&format!("USING btree {on}")), "{name}: {definition:?}");
        let plan = lines(&app, &format!("EXPLAIN (COSTS false) {question}")).await.join("\n");
        assert!(
            plan.contains(&format!(" {name}\n")) || plan.contains(&format!(" {name} on")),
            "{name}: {plan}"
        );
        assert!(!plan.contains("Seq Scan"), "{name}: {plan}");
    }
    let (_, _, closes) = INDEXES[1];
    let plan = lines(&app, &format!("EXPLAIN (COSTS false) {closes}")).await;
    assert!(plan[0].starts_with("Index Only Scan using ix_market_data_cache_close"), "{plan:?}");
}

async fn lines(app: &TestApp, sql: &str) -> Vec<String> {
    let rows = app.core().query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}
