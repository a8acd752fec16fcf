//! Several portfolios as one: sectors and concentration.

use serde_json::{Value, json};

use super::{book, sql};
use crate::support::TestApp;
use crate::support::user::TestUser;

/// [`book`], and a portfolio of euros: 20 AAPL, and an option on MSFT. A euro is 1.10 dollars.
pub(super) async fn two_books(app: &TestApp, user: &TestUser) -> (String, String) {
    let dollars = book(app, user).await;
    let made = user
        .post("/portfolios", json!({ "name": "Euros", "account_name": "Euros", "currency": "EUR" }))
        .await
        .expect(201);
    let euros = made["id"].as_str().unwrap().to_owned();
    for lot in [
        json!({ "symbol": "AAPL", "quantity": 20, "entry_price": 100, "currency": "USD" }),
        json!({ "symbol": "LAND", "quantity": 10, "entry_price": 150, "investment_class": "PRIVATE" }),
    ] {
        let mut body = lot;
        body["portfolio_id"] = json!(euros);
        body["entry_date"] = json!("2024-03-04");
        user.post("/positions", body).await.expect(201);
    }
    sql(app, "INSERT INTO symbol_universe (symbol, asset_type) VALUES ('EUR/USD', 'fx') ON CONFLICT DO NOTHING;
              INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES ('EUR/USD', '2024-03-04', 1.10, 'test')").await;
    (dollars, euros)
}

fn close(found: &Value, expected: f64) {
    assert!((found.as_f64().unwrap() - expected).abs() < 1e-9, "{found} is not {expected}");
}

#[tokio::test]
async fn several_portfolios_have_the_sectors_and_the_concentration_of_one() {
    let app = TestApp::start().await;
    let (user, other) = (app.user().await, app.user().await);
    let (dollars, euros) = two_books(&app, &user).await;
    let path = |name: &str, more: &str| format!("/analytics/aggregate/{name}?as_of_date=2024-03-06{more}");

    // AAPL 10 x 103.25 = 1,032.50, and 20 of them in euros: round(2,065 / 1.10) = 1,877.27, x 1.10 = 2,065.00.
    // MSFT -2,000; FUND 2,500; LAND 1,500 x 1.10 = 1,650.
    let (apple, gross): (f64, f64) = (3097.5, 3097.5 + 2000.0 + 2500.0 + 1650.0);
    let found = user.get(&path("concentration", "")).await.expect(200);
    assert_eq!(
        (&found["currency"], &found["portfolios"], &found["calculation_date"], &found["missing"]),
        (&json!("USD"), &json!(2), &json!("2024-03-06"), &json!([]))
    );
    let data = &found["data"];
    assert_eq!((&data["symbols"], &data["largest"][0]["symbol"]), (&json!(4), &json!("AAPL")));
    assert_eq!(data["largest"][0]["gross_value"], apple);
    let hhi: f64 =
        [apple, 2000.0, 2500.0, 1650.0].iter().map(|value: &f64| (100.0 * value / gross).powi(2)).sum();
    close(&data["hhi"], hhi);
    close(&data["top_3"], (gross - 1650.0) / gross);

    let found = user.get(&path("sector-exposure", "")).await.expect(200);
    let sectors = found["data"]["sectors"].as_array().unwrap();
    let names: Vec<&str> = sectors.iter().map(|sector| sector["sector"].as_str().unwrap()).collect();
    assert_eq!(names, ["Unknown", "Information Technology", "Energy"]);
    assert_eq!((&sectors[0]["net_value"], &sectors[0]["positions"]), (&json!(2150.0), &json!(3)));
    assert_eq!((&sectors[1]["gross_value"], &sectors[1]["positions"]), (&json!(apple), &json!(2)));
    close(&sectors[1]["weight"], apple / gross);
    close(&sectors[1]["active_weight"], apple / gross - 0.3);
    // Equity is what is held: no cash in either.
    close(&sectors[1]["net_weight"], apple / (apple + 2150.0));
    close(&found["data"]["coverage"], apple / gross);

    // In euros the weights are the same, and the sums are of euros.
    let found = user.get(&path("concentration", "&currency=EUR")).await.expect(200);
    assert_eq!(found["currency"], "EUR");
    assert_eq!(found["data"]["largest"][0]["gross_value"], 2815.91);
    let one = user.get(&path("concentration", &format!("&portfolio_ids={dollars}"))).await.expect(200);
    assert_eq!((&one["portfolios"], &one["data"]["largest"][0]["symbol"]), (&json!(1), &json!("FUND")));
    for name in ["sector-exposure", "concentration"] {
        other.get(&path(name, &format!("&portfolio_ids={euros}"))).await.expect(404);
        let none = other.get(&path(name, "")).await.expect(200);
        assert_eq!((&none["portfolios"], &none["currency"]), (&json!(0), &Value::Null));
    }
    // A currency without a rate is left out, and that is said.
    let found = user.get(&path("sector-exposure", "&currency=JPY")).await.expect(200);
    assert_eq!((&found["portfolios"], &found["missing"]), (&json!(0), &json!([dollars, euros])));
    user.get(&path("sector-exposure", "&benchmark=")).await.expect_wrong_field("benchmark");
}
