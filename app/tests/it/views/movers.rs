//! What moved a portfolio.

use serde_json::json;

use super::{book, sql};
use crate::support::TestApp;

#[tokio::test]
async fn movers_are_ranked_by_what_they_made_or_lost() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let path = format!("/data/positions/top/{id}?by=day_pnl&as_of_date=2024-03-06");
    let top = user.get(&path).await.expect(200);
    let moved: Vec<_> =
        top["data"].as_array().unwrap().iter().map(|row| (&row["symbol"], &row["day_pnl"])).collect();
    assert_eq!(moved, [(&json!("MSFT"), &json!(20.0)), (&json!("AAPL"), &json!(17.5))]);
    // 1.75 of 101.50.
    assert!((top["data"][1]["day_return"].as_f64().unwrap() - 1.75 / 101.5).abs() < 1e-12, "{top}");
    let largest =
        user.get(&format!("/data/positions/top/{id}?limit=1&as_of_date=2024-03-06")).await.expect(200);
    assert_eq!(
        (&largest["data"][0]["symbol"], &largest["meta"]["truncated"]),
        (&json!("FUND"), &json!(true))
    );
}

#[tokio::test]
async fn closes_of_long_ago_still_say_what_moved() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let top = user.get(&format!("/data/positions/top/{id}?by=day_pnl")).await.expect(200);
    assert_eq!(top["data"][0]["day_pnl"], 20.0, "{top}");
    let quality = user.get(&format!("/data/portfolio/{id}/data-quality")).await.expect(200);
    assert_eq!(
        (&quality["data"]["positions"]["old"], &quality["data"]["prices_as_of"]),
        (&json!(2), &json!("2024-03-06"))
    );
}

#[tokio::test]
async fn a_lot_of_the_day_counts_from_its_entry() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let lot = json!({ "portfolio_id": id, "symbol": "AAPL", "quantity": 4, "entry_price": 102, "entry_date": "2024-03-06" });
    user.post("/positions", lot).await.expect(201);
    sql(&app, "INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES ('NVDA', '2024-03-06', 1, 'test')").await;
    let top =
        user.get(&format!("/data/positions/top/{id}?by=day_pnl&as_of_date=2024-03-06")).await.expect(200);
    // 4 x (103.25 - 102), not 4 x (103.25 - 101.50).
    assert_eq!(top["data"][2]["day_pnl"], 5.0, "{top}");
}
