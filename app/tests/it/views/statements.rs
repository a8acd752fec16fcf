//! What is read costs the same number of statements, however many rows there are. They are counted on
//! the wire to the server: whatever the program sends is seen there, and nothing else.

use uuid::Uuid;

use super::sql;
use crate::support::TestApp;
use crate::support::postgres::{self, Layout};
use crate::support::user::TestUser;
use crate::support::wire::Wire;

/// Lots from one number to another, each of a company of its own, closed in part, tagged, with a target
/// price, and as many changes of capital.
const LOTS: &str = "
INSERT INTO symbol_universe (symbol, asset_type) SELECT 'N' || n, 'equity' FROM generate_series({from}, {to}) AS n
    ON CONFLICT DO NOTHING;
INSERT INTO company_profiles (symbol, company_name, sector, data_source)
SELECT 'N' || n, 'Company ' || n, (ARRAY['Energy', 'Utilities', 'Materials'])[1 + n % 3], 'test'
  FROM generate_series({from}, {to}) AS n ON CONFLICT DO NOTHING;
INSERT INTO market_data_cache (symbol, date, close, data_source)
SELECT 'N' || n, day::date, 10 + n, 'test'
  FROM generate_series({from}, {to}) AS n, generate_series('2024-03-04'::date, '2024-03-06', '1 day') AS day
    ON CONFLICT DO NOTHING;
INSERT INTO positions (id, portfolio_id, symbol, position_type, investment_class, opened_quantity, quantity, currency,
                       entry_price, entry_date)
SELECT md5('lot {id}' || n)::uuid, '{id}', 'N' || n, 'LONG', 'PUBLIC', 10, 9, 'USD', 10, '2024-03-04'
  FROM generate_series({from}, {to}) AS n;
INSERT INTO position_realized_events (id, position_id, portfolio_id, trade_date, quantity_closed, price)
SELECT md5('close {id}' || n)::uuid, md5('lot {id}' || n)::uuid, '{id}', '2024-03-05', 1, 11
  FROM generate_series({from}, {to}) AS n;
INSERT INTO tags (id, user_id, name) SELECT md5('tag {id}' || n)::uuid, '{user}', '{id}' || n
  FROM generate_series({from}, {to}) AS n;
INSERT INTO position_tags (position_id, tag_id) SELECT md5('lot {id}' || n)::uuid, md5('tag {id}' || n)::uuid
  FROM generate_series({from}, {to}) AS n;
INSERT INTO portfolio_target_prices (id, portfolio_id, position_id, symbol, position_type, target_price_eoy)
SELECT md5('target {id}' || n)::uuid, '{id}', md5('lot {id}' || n)::uuid, 'N' || n, 'LONG', 20
  FROM generate_series({from}, {to}) AS n;
INSERT INTO equity_changes (id, portfolio_id, change_type, amount, change_date, created_by_user_id)
SELECT md5('flow {id}' || n)::uuid, '{id}', 'CONTRIBUTION', n, '2024-03-04', '{user}'
  FROM generate_series({from}, {to}) AS n;";

pub(super) async fn grow(app: &TestApp, user: &TestUser, id: &str, numbers: std::ops::RangeInclusive<u32>) {
    let text = LOTS.replace("{id}", id).replace("{user}", &user.id.to_string());
    let text =
        text.replace("{from}", &numbers.start().to_string()).replace("{to}", &numbers.end().to_string());
    sql(app, &text).await;
}

async fn portfolio(app: &TestApp, user: &TestUser) -> String {
    let id = Uuid::now_v7().to_string();
    let new = format!(
        "INSERT INTO portfolios (id, user_id, name, account_name) VALUES ('{id}', '{}', 'One', '{id}')",
        user.id
    );
    sql(app, &new).await;
    id
}

/// The application with core behind a wire that counts.
async fn wired() -> (TestApp, Wire) {
    let urls = postgres::migrated(Layout::Dual).await;
    let wire = Wire::to(&urls.core).await;
    let url = format!("{}?sslmode=disable", wire.url());
    let app = TestApp::with().over(urls).env("DATABASE_URL", url).start().await;
    (app, wire)
}

/// The statements of a request, and how many rows it answers. Asked once before: what a connection or a
/// process learns once is no part of it.
async fn asked(wire: &Wire, user: &TestUser, path: &str, rows: &str) -> (Vec<String>, usize) {
    user.get(path).await.expect(200);
    wire.statements();
    let answer = user.get(path).await.expect(200);
    let found = answer.pointer(rows).unwrap_or_else(|| panic!("{path} has no {rows}: {answer}"));
    let count = found.as_array().map_or_else(|| found.as_u64().unwrap(), |rows| rows.len() as u64);
    (wire.statements(), usize::try_from(count).unwrap())
}

/// A path, where it says how many rows it answers, whether that grows, and the most statements it takes.
struct Route {
    path: &'static str,
    rows: &'static str,
    grows: bool,
    most: usize,
}

const fn route(path: &'static str, rows: &'static str, most: usize) -> Route {
    Route { path, rows, grows: true, most }
}

/// Every route is asked with three rows and with many: it takes as many statements, and not more than are allowed.
async fn compare(wire: &Wire, user: &TestUser, id: &str, routes: &[Route], known: &mut Vec<(usize, usize)>) {
    let mut wrong = Vec::new();
    for (place, route) in routes.iter().enumerate() {
        let (statements, rows) = asked(wire, user, &route.path.replace("{id}", id), route.rows).await;
        if statements.len() > route.most || statements.is_empty() {
            wrong.push(format!("{} took {}: {statements:#?}", route.path, statements.len()));
        }
        match known.get(place) {
            None => known.push((statements.len(), rows)),
            Some((before, few)) => {
                assert_eq!(rows > *few, route.grows, "{}: {few} rows, then {rows}", route.path);
                if statements.len() != *before {
                    wrong.push(format!("{}: {before}, then {statements:#?}", route.path));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const OF_POSITIONS: [Route; 23] = [
    route("/data/portfolio/{id}/complete?include_attrib=true&include_timeseries=true", "/holdings", 15),
    route("/data/portfolio/{id}/complete?include_holdings=false", "/positions_summary/total", 14),
    route("/data/portfolio/{id}/data-quality", "/data/positions/old", 13),
    route("/data/positions/details?portfolio_id={id}", "/data", 13),
    route("/data/positions/top/{id}?limit=100&as_of_date=2024-03-06", "/data", 9),
    route("/data/prices/historical/{id}?from=2024-03-04&to=2024-03-06", "/data", 6),
    route("/analytics/portfolio/{id}/overview", "/data/positions/total", 14),
    Route { grows: false, ..route("/analytics/portfolio/{id}/sector-exposure", "/data/sectors", 15) },
    route("/analytics/portfolio/{id}/concentration", "/data/symbols", 13),
    Route { grows: false, ..route("/analytics/aggregate/overview", "/portfolios", 12) },
    Route { grows: false, ..route("/analytics/aggregate/sector-exposure", "/data/sectors", 14) },
    route("/analytics/aggregate/concentration", "/data/symbols", 12),
    route("/positions?limit=200&portfolio_id={id}", "/items", 5),
    route("/positions?limit=200", "/items", 4),
    Route { grows: false, ..route("/portfolios", "/items", 3) },
    route("/tags?limit=200", "/items", 3),
    route("/target-prices/{id}?limit=200", "/items", 10),
    route("/target-prices/{id}/summary", "/targets", 10),
    route("/portfolios/{id}/equity-changes?limit=200", "/items", 3),
    route("/portfolios/{id}/equity-changes/summary", "/total/changes", 4),
    route("/equity-search?limit=200", "/items", 2),
    Route { grows: false, ..route("/data/portfolio/{id}/snapshot", "/data/num_positions", 3) },
    Route { grows: false, ..route("/equity-search/filters", "/sectors", 4) },
];

const OF_PORTFOLIOS: [Route; 7] = [
    route("/data/portfolios", "/data", 12),
    route("/portfolios", "/items", 3),
    route("/analytics/aggregate/overview", "/portfolios", 12),
    route("/analytics/aggregate/breakdown", "/items", 12),
    route("/analytics/aggregate/sector-exposure", "/portfolios", 14),
    route("/analytics/aggregate/concentration", "/portfolios", 12),
    route("/positions?limit=200", "/items", 4),
];

#[tokio::test]
async fn reading_two_hundred_positions_takes_the_statements_of_three() {
    let (app, wire) = wired().await;
    let user = app.user().await;
    let id = portfolio(&app, &user).await;
    grow(&app, &user, &id, 1..=3).await;
    super::run_batch(&app, "2024-03-06").await;
    let mut known = Vec::new();
    compare(&wire, &user, &id, &OF_POSITIONS, &mut known).await;
    grow(&app, &user, &id, 4..=200).await;
    compare(&wire, &user, &id, &OF_POSITIONS, &mut known).await;
    assert_eq!((known[0].1, known.len()), (3, OF_POSITIONS.len()));
}

#[tokio::test]
async fn reading_six_portfolios_takes_the_statements_of_one() {
    let (app, wire) = wired().await;
    let user = app.user().await;
    let first = portfolio(&app, &user).await;
    grow(&app, &user, &first, 1..=3).await;
    let mut known = Vec::new();
    compare(&wire, &user, &first, &OF_PORTFOLIOS, &mut known).await;
    for _ in 0..5 {
        let id = portfolio(&app, &user).await;
        grow(&app, &user, &id, 1..=3).await;
    }
    compare(&wire, &user, &first, &OF_PORTFOLIOS, &mut known).await;
}
