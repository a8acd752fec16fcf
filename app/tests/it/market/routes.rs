//! What the routes show.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem::market::import::Kind;
use uuid::Uuid;

use super::{execute, import, texts};
use crate::support::TestApp;
use crate::support::user::TestUser;

const PRICES: &str = "\
symbol,date,open,high,low,close,volume
AAPL,2024-01-02,187.15,188.44,183.88,185.64,82488700
AAPL,2024-01-03,184.22,185.88,183.43,184.25,58414500
AAPL,2024-01-04,182.15,183.09,180.88,181.91,71983600
SPY,2024-01-02,472.16,473.67,470.49,472.65,123623700
SPY,2024-01-04,470.49,472.96,467.05,467.28,84232200
NVDA,2024-06-07,1197.7,1216.92,1180.22,1208.88,41238600
NVDA,2024-06-10,120.37,123.1,117.01,121.79,314162700
";

/// A portfolio of the user's with lots of these symbols.
async fn portfolio(app: &TestApp, owner: &TestUser, lots: &[(&str, &str)]) -> Uuid {
    let id = Uuid::now_v7();
    let sql = format!(
        "INSERT INTO portfolios (id, user_id, name, account_name) VALUES ('{id}', '{}', 'One', '{id}')",
        owner.id
    );
    execute(app, &sql).await;
    for (symbol, class) in lots {
        let (kind, option) = match *class {
            "OPTIONS" => ("LC", "'NVDA', 1000, '2025-01-17'"),
            _ => ("LONG", "NULL, NULL, NULL"),
        };
        let sql = format!(
            "INSERT INTO positions (id, portfolio_id, symbol, position_type, investment_class, opened_quantity, quantity, currency,
                                    entry_price, entry_date, underlying_symbol, strike_price, expiration_date)
             VALUES ('{}', '{id}', '{symbol}', '{kind}', '{class}', 1, 1, 'USD', 1, '2024-01-02', {option})",
            Uuid::now_v7()
        );
        app.core().execute_unprepared(&sql).await.unwrap();
    }
    id
}

fn closes(history: &Value) -> Vec<(&str, f64)> {
    let prices = history["prices"].as_array().unwrap();
    prices.iter().map(|price| (price["date"].as_str().unwrap(), price["close"].as_f64().unwrap())).collect()
}

/// S1-64: the prices of what a portfolio holds.
#[tokio::test]
async fn a_portfolios_symbols_have_their_prices() {
    let app = TestApp::start().await;
    let (owner, stranger) = (app.user().await, app.user().await);
    import(&app, Kind::Prices, PRICES).await;
    import(
        &app,
        Kind::Actions,
        "symbol,ex_date,kind,value\nNVDA,2024-06-10,split,10\nAAPL,2024-02-09,dividend,0.24\n",
    )
    .await;
    let lots =
        [("AAPL", "PUBLIC"), ("AAPL", "PUBLIC"), ("A HOUSE", "PRIVATE"), ("NVDA250117C01000000", "OPTIONS")];
    let id = portfolio(&app, &owner, &lots).await;
    let answer =
        owner.get(&format!("/data/prices/historical/{id}?from=2024-01-03&to=2024-12-31")).await.expect(200);
    let symbols: Vec<&str> = answer["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|history| history["symbol"].as_str().unwrap())
        .collect();
    assert_eq!(symbols, ["AAPL", "NVDA", "NVDA250117C01000000"]);
    assert_eq!(closes(&answer["data"][0]), [("2024-01-03", 184.25), ("2024-01-04", 181.91)]);
    assert_eq!(answer["data"][0]["dividends"], json!([{ "ex_date": "2024-02-09", "value": 0.24 }]));
    assert_eq!(answer["data"][1]["splits"], json!([{ "ex_date": "2024-06-10", "value": 10.0 }]));
    assert_eq!(answer["data"][2]["prices"], json!([]));
    let meta = &answer["meta"];
    assert_eq!(
        (&meta["as_of"], &meta["rows_returned"], &meta["truncated"]),
        (&json!("2024-06-10"), &json!(4), &json!(false))
    );
    assert_eq!(meta["requested"], json!({ "from": "2024-01-03", "to": "2024-12-31" }));
    assert_eq!(meta["applied"]["symbols"], json!(symbols));
    assert!(meta["limits"]["prices"].is_u64() && meta["schema_version"] == "1", "{meta}");

    let path = format!("/data/prices/historical/{id}");
    stranger.get(&path).await.expect_problem(404, "not_found");
    owner.get(&format!("{path}?from=2024-02-01&to=2024-01-01")).await.expect_wrong_field("from");
    owner.get(&format!("{path}?from=1990-01-01&to=2024-01-01")).await.expect_wrong_field("from");
    owner.get(&format!("{path}?from=yesterday")).await.expect_wrong_field("from");
    let recent = owner.get(&path).await.expect(200);
    assert_eq!(recent["meta"]["rows_returned"], 0, "nothing of the last 90 days");
    execute(&app, &format!("UPDATE portfolios SET deleted_at = now() WHERE id = '{id}'")).await;
    owner.get(&path).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn a_benchmark_is_any_symbol_that_is_known() {
    let app = TestApp::start().await;
    let user = app.user().await;
    import(&app, Kind::Prices, PRICES).await;
    let answer = user.get("/data/prices/benchmark/spy?from=2024-01-01&to=2024-01-31").await.expect(200);
    assert_eq!(closes(&answer["data"][0]), [("2024-01-02", 472.65), ("2024-01-04", 467.28)]);
    assert_eq!(user.get("/data/prices/benchmark/SPY").await.expect(200)["meta"]["rows_returned"], 0);
    user.get("/data/prices/benchmark/TLT").await.expect_problem(404, "not_found");
    for wrong in [
        "=1",
        "%00",
        "%F0%9F%92%A9",
        "a%20%20b",
        "a%2Fb%2Fc%2Fd%2Fe%2Ff%2Fg%2Fh%2Fi%2Fj%2Fk%2Fl%2Fm%2Fn%2Fo%2Fp%2Fq",
    ] {
        user.get(&format!("/data/prices/benchmark/{wrong}")).await.expect_wrong_field("symbol");
        user.get(&format!("/fundamentals/{wrong}/cash-flow")).await.expect_wrong_field("symbol");
    }
}

#[tokio::test]
async fn quotes_are_the_newest_closes_in_units_of_today() {
    let app = TestApp::start().await;
    let user = app.user().await;
    import(&app, Kind::Prices, PRICES).await;
    import(&app, Kind::Actions, "symbol,ex_date,kind,value\nNVDA,2024-06-10,split,10\n").await;
    let answer = user.get("/data/prices/quotes?symbols=nvda,%20AAPL,TSLA,AAPL").await.expect(200);
    let quotes = &answer["data"]["quotes"];
    assert_eq!(quotes[0]["symbol"], "AAPL");
    assert_eq!(
        (&quotes[0]["price"], &quotes[0]["previous_close"], &quotes[0]["change"]),
        (&json!(181.91), &json!(184.25), &json!(-2.34))
    );
    // 1208.88 a share before the split is 120.888 after it.
    assert_eq!((&quotes[1]["previous_close"], &quotes[1]["change"]), (&json!(120.888), &json!(0.902)));
    assert!((quotes[1]["change_ratio"].as_f64().unwrap() - 0.902 / 120.888).abs() < 1e-12);
    assert_eq!(answer["data"]["missing"], json!(["TSLA"]));
    assert_eq!(
        (&answer["meta"]["rows_returned"], &answer["meta"]["as_of"]),
        (&json!(2), &json!("2024-06-10"))
    );
    let then = user.get("/data/prices/quotes?symbols=AAPL&as_of=2024-01-02").await.expect(200);
    assert_eq!(
        (&then["data"]["quotes"][0]["price"], &then["data"]["quotes"][0]["change"]),
        (&json!(185.64), &Value::Null)
    );
    user.get("/data/prices/quotes?symbols=").await.expect_wrong_field("symbols");
    user.get("/data/prices/quotes").await.expect_wrong_field("symbols");
    let many = vec!["A"; 51].join(",");
    user.get(&format!("/data/prices/quotes?symbols={many}")).await.expect_wrong_field("symbols");
}

/// S1-68: statement tables have routes.
#[tokio::test]
async fn statements_profiles_and_estimates_are_shown() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for (kind, file) in [
        (
            Kind::Profiles,
            "symbol,company_name,sector,market_cap,beta,target_mean_price,current_year_revenue_avg\nAAPL,Apple Inc.,Technology,2890000000000,1.29,200.5,386000000000\n",
        ),
        (
            Kind::Income,
            "symbol,period_date,frequency,total_revenue,gross_profit,net_income\nAAPL,2023-09-30,a,383285000000,169148000000,96995000000\nAAPL,2022-09-24,a,394328000000,170782000000,99803000000\nAAPL,2023-12-30,q,119575000000,54855000000,33916000000\n",
        ),
        (
            Kind::Balance,
            "symbol,period_date,frequency,current_assets,current_liabilities,total_debt,cash_and_cash_equivalents\nAAPL,2023-12-30,q,143692000000,133973000000,108040000000,40760000000\n",
        ),
        (Kind::CashFlow, "symbol,period_date,frequency,operating_cash_flow\nAAPL,2023-12-30,q,39895000000\n"),
    ] {
        assert_eq!(import(&app, kind, file).await.rejected, 0, "{kind:?}");
    }
    let income = user.get("/fundamentals/aapl/income-statement?frequency=a&periods=1").await.expect(200);
    let period = &income["data"]["periods"][0];
    assert_eq!(
        (&period["period_date"], &period["total_revenue"]),
        (&json!("2023-09-30"), &json!(383_285_000_000.0))
    );
    assert!((period["gross_margin"].as_f64().unwrap() - 0.441_311).abs() < 1e-9, "{period}");
    assert_eq!((&income["meta"]["truncated"], &income["meta"]["rows_returned"]), (&json!(true), &json!(1)));
    assert_eq!(income["meta"]["as_of"], "2023-09-30");
    let balance = user.get("/fundamentals/AAPL/balance-sheet").await.expect(200);
    let period = &balance["data"]["periods"][0];
    assert_eq!(
        (&period["working_capital"], &period["net_debt"], &period["current_ratio"]),
        (&json!(9_719_000_000.0), &json!(67_280_000_000.0), &json!(1.0725))
    );
    let cash = user.get("/fundamentals/AAPL/cash-flow?frequency=q").await.expect(200);
    assert_eq!(cash["data"]["periods"][0]["operating_cash_flow"], 39_895_000_000.0);
    assert_eq!(
        user.get("/fundamentals/AAPL/cash-flow?frequency=a").await.expect(200)["data"]["periods"],
        json!([])
    );
    let expected = user.get("/fundamentals/AAPL/analyst-estimates").await.expect(200);
    assert_eq!(expected["data"]["estimates"]["target_price"]["mean"], 200.5);
    assert_eq!(expected["data"]["estimates"]["current_year"]["revenue"]["avg"], 386_000_000_000.0);
    user.get("/fundamentals/TSLA/analyst-estimates").await.expect_problem(404, "not_found");
    user.get("/fundamentals/AAPL/cash-flow?frequency=m").await.expect_wrong_field("frequency");
    user.get("/fundamentals/AAPL/cash-flow?periods=41").await.expect_wrong_field("periods");

    let profiles = user.get("/data/company-profiles?symbols=TSLA,AAPL").await.expect(200);
    let profile = &profiles["data"]["profiles"][0];
    assert_eq!(
        (&profile["company_name"], &profile["sector"], &profile["beta"]),
        (&json!("Apple Inc."), &json!("Information Technology"), &json!(1.29))
    );
    assert_eq!(profiles["data"]["missing"], json!(["TSLA"]));
}

/// P-CA-4: factors and scenarios have stable codes, and every scenario's factors exist.
#[tokio::test]
async fn factors_and_scenarios_are_there_with_stable_codes() {
    let app = TestApp::start().await;
    let user = app.user().await;
    import(&app, Kind::Prices, PRICES).await;
    let answer = user.get("/data/factors/etf-prices?from=2024-01-01&to=2024-01-31").await.expect(200);
    let factors = answer["data"]["factors"].as_array().unwrap();
    assert_eq!(factors.len(), 13);
    assert_eq!((&factors[0]["code"], &factors[0]["long_symbol"]), (&json!("market_beta"), &json!("SPY")));
    let histories = answer["data"]["prices"].as_array().unwrap();
    let spy = histories.iter().find(|history| history["symbol"] == "SPY").unwrap();
    assert_eq!((histories.len(), closes(spy).len()), (8, 2));

    assert_eq!(texts(&app, "SELECT count(*)::text FROM stress_test_scenarios").await, ["22"]);
    assert_eq!(texts(&app, "SELECT count(*)::text FROM stress_test_scenarios WHERE is_active").await, ["19"]);
    let unknown = "SELECT DISTINCT code FROM stress_test_scenarios, jsonb_object_keys(shock_config) AS code
                    WHERE code NOT IN (SELECT code FROM factor_definitions)";
    assert_eq!(texts(&app, unknown).await, Vec::<String>::new());
    for (table, code, path) in
        [("factor_definitions", "code", "factor"), ("stress_test_scenarios", "scenario_id", "scenario")]
    {
        for row in texts(&app, &format!("SELECT id || ' ' || {code} FROM {table}")).await {
            let (id, code) = row.split_once(' ').unwrap();
            let expected = Uuid::new_v5(&Uuid::NAMESPACE_OID, format!("tandem/{path}/{code}").as_bytes());
            assert_eq!(id, expected.to_string(), "{code}");
        }
    }
}
