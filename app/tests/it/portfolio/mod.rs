//! Portfolios: what users hold, closed, put in and took out, and how they tag it.

mod accounts;
mod capital;
mod closes;
mod lots;
mod tags;

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::user::TestUser;

/// When [`lot`] opens its lots.
pub(crate) const ENTERED: &str = "2024-03-04";

/// A portfolio of the user's: the newest there is, or a new one.
pub(crate) async fn portfolio(user: &TestUser) -> String {
    let there = user.get("/portfolios?limit=1").await.expect(200);
    if let Some(id) = there["items"][0]["id"].as_str() {
        return id.to_owned();
    }
    let made = user.post("/portfolios", json!({ "name": "A portfolio" })).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// A lot of a portfolio: ten AAPL at 100, or what differs from that.
pub(crate) async fn lot(user: &TestUser, portfolio: &str, differs: Value) -> Value {
    user.post("/positions", with(portfolio, differs)).await.expect(201)
}

/// The body of the same.
pub(crate) fn with(portfolio: &str, differs: Value) -> Value {
    let mut body = json!({
        "portfolio_id": portfolio, "symbol": "AAPL", "quantity": 10, "entry_price": 100, "entry_date": ENTERED,
    });
    for (field, value) in differs.as_object().unwrap() {
        body[field] = value.clone();
    }
    body
}

/// The body of a contribution.
pub(crate) fn contribution() -> Value {
    json!({ "change_type": "CONTRIBUTION", "amount": 1000.5, "change_date": ENTERED })
}

/// A row of `owner` for the `{id}` of a path; for two ids in a path, both with a slash between them.
pub(crate) async fn row_of(owner: &TestUser, path: &str) -> Option<String> {
    let id = |row: &Value| row["id"].as_str().unwrap().to_owned();
    if path.starts_with("/tags/{id}") {
        return Some(id(&owner.post("/tags", json!({ "name": Uuid::now_v7() })).await.expect(201)));
    }
    let is_position = path.starts_with("/positions/{id}");
    if !is_position && !path.starts_with("/portfolios/{id}") {
        return None;
    }
    let portfolio = portfolio(owner).await;
    if path.ends_with("/{change_id}") {
        let changes = format!("/portfolios/{portfolio}/equity-changes");
        let made = owner.post(&changes, contribution()).await.expect(201);
        return Some(format!("{portfolio}/{}", id(&made)));
    }
    if !is_position {
        return Some(portfolio);
    }
    let lot = lot(owner, &portfolio, json!({})).await;
    if path.ends_with("/close") {
        // So that there is a close to take back.
        let part = json!({ "exit_price": 2, "close_quantity": 1 });
        owner.post(&format!("{}/close", path_of(&lot)), part).await.expect(200);
    }
    Some(id(&lot))
}

fn path_of(row: &Value) -> String {
    format!("/positions/{}", row["id"].as_str().unwrap())
}

async fn items(user: &TestUser, path: &str) -> Vec<Value> {
    user.get(path).await.expect(200)["items"].as_array().unwrap().clone()
}

async fn sql(app: &TestApp, sql: &str) {
    app.core().execute_unprepared(sql).await.unwrap();
}

/// What a query finds: one value as text.
async fn found(app: &TestApp, sql: &str) -> Option<String> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = app.core().query_one_raw(statement).await.unwrap()?;
    row.try_get_by_index(0).unwrap()
}

/// Opens connections, so that requests at once are served at once.
async fn warm(user: &TestUser) {
    for _ in 0..3 {
        futures::future::join_all((0..8).map(|_| user.get("/portfolios"))).await;
    }
}

/// From which day on a portfolio's figures are to be computed again; after that, none.
async fn stale(app: &TestApp, portfolio: &str) -> Option<String> {
    let day = found(app, &format!("SELECT stale_from::text FROM portfolios WHERE id = '{portfolio}'")).await;
    sql(app, &format!("UPDATE portfolios SET stale_from = NULL WHERE id = '{portfolio}'")).await;
    day
}

async fn split(app: &TestApp, symbol: &str, ex_date: &str, value: &str) {
    let row = format!(
        "INSERT INTO corporate_actions (symbol, ex_date, kind, value, data_source)
         VALUES ('{symbol}', '{ex_date}', 'split', {value}, 'test')"
    );
    sql(app, &row).await;
}
