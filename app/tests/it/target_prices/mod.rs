//! Target prices: rows, what follows from them, files.

mod figures;
mod files;
mod rows;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::portfolio_import::portfolio;
use crate::support::TestApp;
use crate::support::user::TestUser;

/// A portfolio with 10,000 of capital that holds 100 AAPL, 50 more of it and -40 TSLA, bought for 10
/// each, and closes of 12 and 8 yesterday.
async fn held(app: &TestApp, user: &TestUser) -> String {
    let id = portfolio(user, "held").await;
    user.patch(&format!("/portfolios/{id}"), json!({ "equity_balance": 10_000 })).await.expect(200);
    for (symbol, quantity) in [("AAPL", 100), ("AAPL", 50), ("TSLA", -40)] {
        let body = json!({ "portfolio_id": id, "symbol": symbol, "quantity": quantity, "entry_price": 10, "entry_date": "2024-01-05" });
        user.post("/positions", body).await.expect(201);
    }
    close(app, "AAPL", "12").await;
    close(app, "TSLA", "8").await;
    id
}

async fn close(app: &TestApp, symbol: &str, price: &str) {
    let row = format!(
        "INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES ('{symbol}', CURRENT_DATE - 1, {price}, 'test')
         ON CONFLICT ON CONSTRAINT pk_market_data_cache DO UPDATE SET close = excluded.close"
    );
    app.core().execute_unprepared(&row).await.unwrap();
}

async fn target(user: &TestUser, portfolio: &str, body: Value) -> Value {
    user.post(&format!("/target-prices/{portfolio}"), body).await.expect(201)
}

fn path_of(row: &Value) -> String {
    format!("/target-prices/target/{}", row["id"].as_str().unwrap())
}

/// A row of the user's for the `{id}` of a path.
pub(crate) async fn row_of(user: &TestUser, path: &str) -> String {
    let portfolio = crate::portfolio::portfolio(user).await;
    if path != "/target-prices/target/{id}" {
        return portfolio;
    }
    let symbol = format!("T{}", &Uuid::now_v7().simple().to_string()[20..]);
    let made = target(user, &portfolio, json!({ "symbol": symbol, "target_price_eoy": 1 })).await;
    made["id"].as_str().unwrap().to_owned()
}

/// A body with which a request to the path succeeds.
pub(crate) fn body_of(path: &str) -> Value {
    match path {
        "/target-prices/{id}" => json!({ "symbol": "AAPL", "target_price_eoy": 1 }),
        "/target-prices/{id}/bulk" => {
            json!({ "target_prices": [{ "symbol": "MSFT", "target_price_eoy": 1 }] })
        }
        "/target-prices/{id}/bulk-update" => json!({ "target_prices": [] }),
        "/target-prices/{id}/import-csv" => {
            json!({ "activities": [{ "symbol": "NVDA", "target_price_eoy": 1 }] })
        }
        _ => json!({ "target_price_eoy": 2 }),
    }
}
