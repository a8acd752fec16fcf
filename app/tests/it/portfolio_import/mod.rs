//! Files of holdings and activities: read, refused, stored once.

mod command;
mod good;
mod malformed;
mod stored;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::{Value, json};

use crate::support::response::TestResponse;
use crate::support::user::TestUser;

/// A new portfolio's id.
pub(crate) async fn portfolio(user: &TestUser, name: &str) -> String {
    let made = user.post("/portfolios", json!({ "name": name, "account_name": name })).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// Posts a file as the body.
pub(crate) async fn send(user: &TestUser, path: &str, content_type: &str, bytes: &[u8]) -> TestResponse {
    let request = Request::post(format!("/api/v1{path}"))
        .header(header::AUTHORIZATION, format!("Bearer {}", user.token.as_deref().unwrap_or_default()))
        .header(header::CONTENT_TYPE, content_type);
    user.send(request.body(Body::from(bytes.to_vec())).unwrap()).await
}

/// Posts a CSV file.
pub(crate) async fn csv(user: &TestUser, path: &str, text: &str) -> TestResponse {
    send(user, path, "text/csv", text.as_bytes()).await
}

/// The lots of a portfolio, as one line each, sorted.
pub(crate) async fn lots(user: &TestUser, portfolio: &str) -> Vec<String> {
    let page = user.get(&format!("/positions?portfolio_id={portfolio}&limit=200")).await.expect(200);
    let mut lots: Vec<String> = page["items"].as_array().unwrap().iter().map(brief).collect();
    lots.sort();
    lots
}

fn brief(lot: &Value) -> String {
    let text = |field: &str| lot[field].as_str().unwrap_or_default().to_owned();
    format!(
        "{} {} {}/{}@{} {} {}",
        text("symbol"),
        text("position_type"),
        lot["quantity"],
        lot["opened_quantity"],
        lot["entry_price"],
        text("entry_date"),
        text("currency"),
    )
}

/// Line and code of each finding.
pub(crate) fn findings(issues: &Value) -> Vec<(u64, String)> {
    let found =
        |issue: &Value| (issue["line"].as_u64().unwrap_or(0), issue["code"].as_str().unwrap().to_owned());
    issues.as_array().unwrap().iter().map(found).collect()
}

/// Activities in JSON that anybody can import.
pub(crate) fn activities() -> Value {
    let bought = json!({ "date": "2024-01-05", "symbol": "AAPL", "dataSource": "YAHOO", "quantity": 1, "type": "BUY", "unitPrice": 1 });
    json!({ "activities": [bought] })
}
