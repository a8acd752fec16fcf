//! Portfolios as they are read: one answer for everything, figures by hand.

mod aggregate;
mod edges;
mod movers;
mod statements;

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::user::TestUser;

/// Three closes of two shares, what is known of one of them, and a benchmark.
const MARKET: &str = "
INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES
    ('AAPL', '2024-03-04', 100, 'test'), ('AAPL', '2024-03-05', 101.50, 'test'), ('AAPL', '2024-03-06', 103.25, 'test'),
    ('MSFT', '2024-03-04', 400, 'test'), ('MSFT', '2024-03-05', 404, 'test'), ('MSFT', '2024-03-06', 400, 'test');
INSERT INTO company_profiles (symbol, company_name, sector, data_source) VALUES ('AAPL', 'Apple', 'Technology', 'test');
INSERT INTO benchmarks_sector_weights (benchmark_code, asof_date, sector, weight, data_source) VALUES
    ('SP500', '2024-02-01', 'Information Technology', 0.3, 'test'), ('SP500', '2024-02-01', 'Energy', 0.04, 'test');";

pub(crate) async fn sql(app: &TestApp, text: &str) {
    app.core().execute_unprepared(text).await.unwrap();
}

/// Ten AAPL at 100, five MSFT short at 402, and a fund that its owner values at 25.
pub(crate) async fn book(app: &TestApp, user: &TestUser) -> String {
    sql(app, MARKET).await;
    let made = user.post("/portfolios", json!({ "name": "A book" })).await.expect(201);
    let id = made["id"].as_str().unwrap().to_owned();
    for lot in [
        json!({ "symbol": "AAPL", "position_type": "LONG", "quantity": 10, "entry_price": 100 }),
        json!({ "symbol": "MSFT", "position_type": "SHORT", "quantity": 5, "entry_price": 402 }),
        json!({ "symbol": "FUND", "position_type": "LONG", "quantity": 100, "entry_price": 25, "investment_class": "PRIVATE" }),
    ] {
        let mut body = lot;
        body["portfolio_id"] = json!(id);
        body["entry_date"] = json!("2024-03-04");
        user.post("/positions", body).await.expect(201);
    }
    id
}

/// Runs the batch up to a day.
async fn run_batch(app: &TestApp, to: &str) {
    let run = tandem::analytics::NewRun {
        id: uuid::Uuid::now_v7().into(),
        portfolio: None,
        from: None,
        to: Some(to.parse().unwrap()),
        force: false,
        prices_only: false,
        triggered_by: "cli".to_owned(),
    };
    tandem::analytics::request(app.core(), run).await.unwrap();
    let stop = tokio_util::sync::CancellationToken::new();
    tandem::analytics::run_one(&app.state, None, &stop).await.unwrap();
}

async fn complete(user: &TestUser, id: &str, query: &str) -> Value {
    user.get(&format!("/data/portfolio/{id}/complete?as_of_date=2024-03-06{query}")).await.expect(200)
}

#[tokio::test]
async fn one_answer_holds_everything_to_the_cent() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let answer = complete(&user, &id, "&include_attrib=true&include_timeseries=true").await;

    // 10 x 103.25 = 1,032.50; -5 x 400 = -2,000; 100 x 25 = 2,500.
    let portfolio = &answer["portfolio"];
    for (field, expected) in [
        ("total_value", 1532.5),
        ("market_value", 1532.5),
        ("cash_value", 0.0),
        // 1,000 - 2,010 + 2,500
        ("cost_basis", 1490.0),
        // 32.50 + 10 + 0
        ("unrealized_pnl", 42.5),
        ("realized_pnl", 0.0),
        ("total_pnl", 42.5),
        // 10 x (103.25 - 101.50) and -5 x (400 - 404)
        ("day_pnl", 37.5),
        ("net_contributions", 1490.0),
    ] {
        assert_eq!(portfolio[field], expected, "{field}: {portfolio}");
    }
    let summary = json!({ "total": 3, "long": 2, "short": 1, "options": 0, "private": 1 });
    assert_eq!(answer["positions_summary"], summary);
    // The largest first.
    let shown: Vec<(&str, f64, f64, f64)> = answer["holdings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|holding| {
            let number = |field: &str| holding[field].as_f64().unwrap();
            (
                holding["symbol"].as_str().unwrap(),
                number("quantity"),
                number("market_value"),
                number("unrealized_pnl"),
            )
        })
        .collect();
    assert_eq!(
        shown,
        [("FUND", 100.0, 2500.0, 0.0), ("MSFT", -5.0, -2000.0, 10.0), ("AAPL", 10.0, 1032.5, 32.5)]
    );
    let apple = &answer["holdings"][2];
    assert_eq!(
        (
            &apple["last_price"],
            &apple["price_date"],
            &apple["price_source"],
            &apple["sector"],
            &apple["tags"]
        ),
        (&json!(103.25), &json!("2024-03-06"), &json!("close"), &json!("Information Technology"), &json!([]))
    );
    assert_eq!(answer["attribution"][0]["symbol"], "AAPL");
    assert_eq!(answer["timeseries"], json!([]));
    // Counted, not made up: two closes of the day, one by its entry.
    let quality = &answer["data_quality"];
    assert_eq!((&quality["positions"]["close"], &quality["positions"]["entry"]), (&json!(2), &json!(1)));
    assert_eq!((&quality["is_complete"], &quality["prices_as_of"]), (&json!(true), &json!("2024-03-06")));
    let meta = &answer["meta"];
    assert_eq!(
        (&meta["as_of"], &meta["rows_returned"], &meta["truncated"]),
        (&json!("2024-03-06"), &json!(3), &json!(false))
    );
    assert_eq!(meta["applied"]["include_attrib"], true);

    let bare = complete(&user, &id, "&include_holdings=false").await;
    assert_eq!((bare.get("holdings"), bare.get("timeseries")), (None, None));
    // The day before: closes of that day, and nothing of what came later.
    let before = user.get(&format!("/data/portfolio/{id}/complete?as_of_date=2024-03-05")).await.expect(200);
    assert_eq!(before["portfolio"]["total_value"], 1495.0);
}

#[tokio::test]
async fn what_the_batch_stores_is_what_is_read() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    run_batch(&app, "2024-03-06").await;

    let answer = complete(&user, &id, "&include_timeseries=true").await;
    let days: Vec<(&str, f64, f64)> = answer["timeseries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|day| {
            let number = |field: &str| day[field].as_f64().unwrap();
            (day["date"].as_str().unwrap(), number("total_value"), number("daily_pnl"))
        })
        .collect();
    // 4 March: 1,000 - 2,000 + 2,500, and 10 of the short made on its first day.
    assert_eq!(
        days,
        [("2024-03-04", 1500.0, 10.0), ("2024-03-05", 1495.0, -5.0), ("2024-03-06", 1532.5, 37.5)]
    );
    assert_eq!(answer["timeseries"][2]["total_value"], answer["portfolio"]["total_value"]);
    let snapshot = user.get(&format!("/data/portfolio/{id}/snapshot")).await.expect(200);
    assert_eq!(
        (&snapshot["data"]["date"], &snapshot["data"]["cumulative_pnl"]),
        (&json!("2024-03-06"), &json!(42.5))
    );

    let overview =
        user.get(&format!("/analytics/portfolio/{id}/overview?as_of_date=2024-03-06")).await.expect(200);
    assert_eq!((&overview["available"], &overview["calculation_date"]), (&json!(true), &json!("2024-03-06")));
    let data = &overview["data"];
    assert_eq!(
        (&data["equity"], &data["pnl"]["mtd"], &data["pnl"]["ytd"]),
        (&json!(1532.5), &json!(42.5), &json!(42.5))
    );
    assert_eq!(
        (&data["exposures"]["gross"]["amount"], &data["exposures"]["short"]["amount"]),
        (&json!(5532.5), &json!(-2000.0))
    );
    let leverage = data["leverage"].as_f64().unwrap();
    assert!((leverage - 5532.5 / 1532.5).abs() < 1e-12, "{leverage}");
    // 10 / 1,490, -5 / 1,500 and 37.5 / 1,495, one after the other.
    let time_weighted = (1.0 + 10.0 / 1490.0) * (1.0 - 5.0 / 1500.0) * (1.0 + 37.5 / 1495.0) - 1.0;
    let performance = &data["performance"];
    assert!((performance["time_weighted"].as_f64().unwrap() - time_weighted).abs() < 1e-12, "{performance}");
    assert!((performance["max_drawdown"].as_f64().unwrap() - -5.0 / 1500.0).abs() < 1e-12, "{performance}");
}

#[tokio::test]
async fn sectors_and_concentration_are_by_gross_value() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let path = |name: &str| format!("/analytics/portfolio/{id}/{name}?as_of_date=2024-03-06");
    let sectors = user.get(&path("sector-exposure")).await.expect(200)["data"].clone();
    let names: Vec<&str> = sectors["sectors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|sector| sector["sector"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["Unknown", "Information Technology", "Energy"]);
    let technology = &sectors["sectors"][1];
    let weight = 1032.5 / 5532.5;
    assert!((technology["weight"].as_f64().unwrap() - weight).abs() < 1e-12, "{technology}");
    assert!((technology["active_weight"].as_f64().unwrap() - (weight - 0.3)).abs() < 1e-12, "{technology}");
    assert_eq!((&sectors["benchmark"], &sectors["benchmark_as_of"]), (&json!("SP500"), &json!("2024-02-01")));

    let data = user.get(&path("concentration")).await.expect(200)["data"].clone();
    let hhi: f64 = [1032.5, 2000.0, 2500.0].iter().map(|value: &f64| (value / 55.325).powi(2)).sum();
    assert!((data["hhi"].as_f64().unwrap() - hhi).abs() < 1e-9, "{data}");
    assert!((data["effective_positions"].as_f64().unwrap() - 10_000.0 / hhi).abs() < 1e-9, "{data}");
    assert_eq!((&data["symbols"], &data["largest"][0]["symbol"]), (&json!(3), &json!("FUND")));
    assert!((data["top_3"].as_f64().unwrap() - 1.0).abs() < 1e-12, "{data}");
}

#[tokio::test]
async fn several_portfolios_come_to_one_sum_in_one_currency() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let dollars = book(&app, &user).await;
    let made = user
        .post("/portfolios", json!({ "name": "Euros", "account_name": "Euros", "currency": "EUR" }))
        .await
        .expect(201);
    let euros = made["id"].as_str().unwrap();
    let lot = json!({ "portfolio_id": euros, "symbol": "SAP", "quantity": 10, "entry_price": 150, "entry_date": "2024-03-04", "investment_class": "PRIVATE" });
    user.post("/positions", lot).await.expect(201);
    let path = "/analytics/aggregate/overview?as_of_date=2024-03-06";
    // Without a rate it is left out, and that is said.
    let without = user.get(path).await.expect(200);
    assert_eq!((&without["missing"], &without["data"]["equity"]), (&json!([euros]), &json!(1532.5)));

    sql(&app, "INSERT INTO symbol_universe (symbol, asset_type) VALUES ('EUR/USD', 'fx') ON CONFLICT DO NOTHING;
               INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES ('EUR/USD', '2024-03-05', 1.10, 'test')").await;
    // 1,532.50 and 1,500 x 1.10.
    let sum = user.get(path).await.expect(200);
    assert_eq!(
        (&sum["currency"], &sum["portfolios"], &sum["data"]["equity"]),
        (&json!("USD"), &json!(2), &json!(3182.5))
    );
    let parts = user.get("/analytics/aggregate/breakdown?as_of_date=2024-03-06").await.expect(200);
    let weight = parts["items"][1]["weight"].as_f64().unwrap();
    assert!((weight - 1650.0 / 3182.5).abs() < 1e-12, "{parts}");
    let one = user.get(&format!("{path}&portfolio_ids={dollars}")).await.expect(200);
    assert_eq!(one["data"]["equity"], 1532.5);
    // Somebody else's is not there.
    let other = app.user().await;
    other.get(&format!("/analytics/aggregate/overview?portfolio_ids={dollars}")).await.expect(404);
    assert_eq!(other.get("/data/portfolios").await.expect(200)["data"], json!([]));
    assert_eq!(user.get("/data/portfolios").await.expect(200)["data"].as_array().unwrap().len(), 2);
}
