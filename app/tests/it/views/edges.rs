//! What one figure depends on and its neighbour does not: order, limits, owners, kinds.

use serde_json::{Value, json};
use uuid::Uuid;

use super::{book, complete, run_batch, sql};
use crate::support::TestApp;
use crate::support::user::TestUser;

const DAY: &str = "as_of_date=2024-03-06";

async fn lot(user: &TestUser, portfolio: &str, differs: Value) -> String {
    let made = crate::portfolio::lot(user, portfolio, differs).await;
    made["id"].as_str().unwrap().to_owned()
}

fn symbols(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn options_tags_and_returns_are_those_of_each_position() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let call = json!({ "symbol": "AAPL250117C00200000", "position_type": "LC", "investment_class": "OPTIONS", "quantity": 2,
        "entry_price": 3, "underlying_symbol": "AAPL", "strike_price": 200, "expiration_date": "2025-01-17" });
    let call = lot(&user, &id, call).await;
    let mut tags = Vec::new();
    for (name, order) in [("third", 3), ("first", 1), ("second", 2)] {
        let made = user.post("/tags", json!({ "name": name, "display_order": order })).await.expect(201);
        tags.push(made["id"].as_str().unwrap().to_owned());
    }
    user.post(&format!("/positions/{call}/tags"), json!({ "tag_ids": tags })).await.expect(200);
    user.post(&format!("/tags/{}/archive", tags[2]), json!({})).await.expect(200);

    let answer = complete(&user, &id, "&include_attrib=true").await;
    let summary = json!({ "total": 4, "long": 2, "short": 1, "options": 1, "private": 1 });
    assert_eq!(answer["positions_summary"], summary);
    let holdings = &answer["holdings"];
    assert_eq!(symbols(holdings), ["FUND", "MSFT", "AAPL", "AAPL250117C00200000"]);
    // Two contracts of 100 at 3: archived tags are out of sight, the others in the owner's order.
    assert_eq!(
        (&holdings[3]["market_value"], &holdings[3]["tags"]),
        (&json!(600.0), &json!(["first", "third"]))
    );
    // 10 made of the 2,010 that the short brought in; 20 of the 2,020 it stood at.
    let number = |row: usize, field: &str| holdings[row][field].as_f64().unwrap();
    assert!((number(1, "unrealized_return") - 10.0 / 2010.0).abs() < 1e-12, "{holdings}");
    assert!((number(1, "day_return") - 20.0 / 2020.0).abs() < 1e-12, "{holdings}");
    // A short weighs less than nothing; weights are of 1,532.50 + 600.
    assert!((number(1, "weight") - -2000.0 / 2132.5).abs() < 1e-12, "{holdings}");
    // What made or lost most comes first.
    assert_eq!(symbols(&answer["attribution"])[..2], ["AAPL", "MSFT"]);
    let details = user.get(&format!("/data/positions/details?portfolio_id={id}&{DAY}")).await.expect(200);
    assert_eq!(symbols(&details["data"]), symbols(holdings));
}

#[tokio::test]
async fn the_largest_are_as_many_as_are_asked_for_and_what_is_left_out_is_said() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    for number in 0..9 {
        lot(&user, &id, json!({ "entry_price": 90 + number })).await;
    }
    let top = async |query: &str| {
        let top = user.get(&format!("/data/positions/top/{id}?{DAY}{query}")).await.expect(200);
        (top["data"].as_array().unwrap().len(), top["meta"]["truncated"].clone())
    };
    assert_eq!(top("").await, (10, json!(true)));
    assert_eq!(top("&limit=12").await, (12, json!(false)));
    assert_eq!(top("&limit=11").await, (11, json!(true)));
    // The fund did not move.
    assert_eq!(top("&by=day_pnl&limit=10").await, (10, json!(true)));
    assert_eq!(top("&by=day_pnl&limit=11").await, (11, json!(false)));
    user.get(&format!("/data/positions/top/{id}?limit=101")).await.expect_wrong_field("limit");
}

#[tokio::test]
async fn what_is_closed_or_deleted_says_nothing_of_today() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let gone = lot(&user, &id, json!({ "symbol": "NVDA" })).await;
    let close = json!({ "exit_price": 101, "exit_date": "2024-03-05" });
    user.post(&format!("/positions/{gone}/close"), close).await.expect(200);
    sql(&app, "INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES ('NVDA', '2024-03-07', 1, 'test')").await;
    let answer = user.get(&format!("/data/portfolio/{id}/complete?as_of_date=2024-03-08")).await.expect(200);
    assert_eq!(answer["data_quality"]["prices_as_of"], "2024-03-06");
    assert_eq!(
        (&answer["portfolio"]["realized_pnl"], &answer["positions_summary"]["total"]),
        (&json!(10.0), &json!(3))
    );

    let other =
        user.post("/portfolios", json!({ "name": "Other", "account_name": "Other" })).await.expect(201);
    let other = other["id"].as_str().unwrap();
    let both = user.get("/data/portfolios").await.expect(200);
    let ids: Vec<&Value> = both["data"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [&json!(id), &json!(other)], "the oldest first");
    let empty = user.get(&format!("/analytics/portfolio/{other}/overview")).await.expect(200);
    assert_eq!((&empty["available"], &empty["data"]["leverage"]), (&json!(false), &Value::Null));
    user.delete(&format!("/portfolios/{id}")).await.expect(204);
    user.get(&format!("/data/portfolio/{id}/complete")).await.expect_problem(404, "not_found");
    user.get(&format!("/analytics/aggregate/overview?portfolio_ids={id}"))
        .await
        .expect_problem(404, "not_found");
    assert_eq!(user.get("/analytics/aggregate/overview").await.expect(200)["portfolios"], 1);
}

/// A book with 2,000 of capital over the turn of a year: up, down, and not quite up again; 500 more on the way.
#[tokio::test]
async fn months_years_flows_and_falls_are_told_apart() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({ "name": "A year", "equity_balance": 2000 });
    let made = user.post("/portfolios", body).await.expect(201);
    let id = made["id"].as_str().unwrap();
    sql(&app, "INSERT INTO market_data_cache (symbol, date, close, data_source) VALUES
        ('AAPL', '2023-12-28', 100, 'test'), ('AAPL', '2023-12-29', 110, 'test'), ('AAPL', '2024-01-02', 120, 'test'),
        ('AAPL', '2024-01-31', 80, 'test'), ('AAPL', '2024-02-01', 95, 'test')").await;
    lot(&user, id, json!({ "entry_date": "2023-12-28" })).await;
    let flow = json!({ "change_type": "CONTRIBUTION", "amount": 500, "change_date": "2024-01-31" });
    user.post(&format!("/portfolios/{id}/equity-changes"), flow).await.expect(201);
    run_batch(&app, "2024-02-01").await;

    let overview =
        user.get(&format!("/analytics/portfolio/{id}/overview?as_of_date=2024-02-01")).await.expect(200);
    let data = &overview["data"];
    // 10 x (95 - 100); since the end of January 10 x (95 - 80), since that of December 10 x (95 - 110).
    let pnl = &data["pnl"];
    assert_eq!((&pnl["total"], &pnl["mtd"], &pnl["ytd"]), (&json!(-50.0), &json!(150.0), &json!(-150.0)));
    assert_eq!((&data["equity"], &data["cash"]), (&json!(2450.0), &json!(1500.0)));
    assert!((data["leverage"].as_f64().unwrap() - 950.0 / 2450.0).abs() < 1e-12, "{data}");
    // From 2,200 by -400 on 2,700, then +150 on 2,300.
    let (worst, back) = (-400.0 / 2700.0, 1.0 + 150.0 / 2300.0);
    let performance = &data["performance"];
    let near = |name: &str, expected: f64| {
        assert!((performance[name].as_f64().unwrap() - expected).abs() < 1e-12, "{name}: {performance}");
    };
    near("max_drawdown", worst);
    near("drawdown", (1.0 + worst) * back - 1.0);
    // 2,000 for 35 days and 500 for one became 2,450: the rate at which they are worth that.
    let rate = performance["money_weighted"].as_f64().unwrap();
    let worth = 2000.0 * (1.0 + rate).powf(35.0 / 365.0) + 500.0 * (1.0 + rate).powf(1.0 / 365.0);
    assert!((worth - 2450.0).abs() < 1e-6, "{rate}: {worth}");

    let answer = user
        .get(&format!("/data/portfolio/{id}/complete?include_timeseries=true&as_of_date=2024-02-01"))
        .await
        .expect(200);
    let days = answer["timeseries"].as_array().unwrap();
    let flows: Vec<(&str, f64)> = days
        .iter()
        .map(|day| (day["date"].as_str().unwrap(), day["capital_flow"].as_f64().unwrap()))
        .filter(|(_, flow)| *flow != 0.0)
        .collect();
    assert_eq!(flows, [("2024-01-31", 500.0)]);
    assert_eq!(answer["data_quality"]["last_snapshot"], "2024-02-01");
    let snapshot =
        user.get(&format!("/data/portfolio/{id}/snapshot?as_of_date=2024-01-30")).await.expect(200);
    assert_eq!(
        (&snapshot["data"]["date"], &snapshot["data"]["total_value"]),
        (&json!("2024-01-30"), &json!(2200.0))
    );
}

#[tokio::test]
async fn four_hundred_days_are_shown_and_one_more_is_said() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    let days = |days: std::ops::RangeInclusive<u32>| {
        format!(
            "INSERT INTO portfolio_snapshots (portfolio_id, snapshot_date, total_value, cash_value, long_value, short_value,
                    gross_exposure, net_exposure, cost_basis, unrealized_pnl, daily_pnl, daily_realized_pnl, daily_income,
                    daily_capital_flow, cumulative_pnl, cumulative_realized_pnl, cumulative_income,
                    cumulative_capital_flow, num_positions, num_long_positions, num_short_positions, data_quality)
             SELECT '{id}', DATE '2024-03-06' - d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, '{{}}'
               FROM generate_series({}, {}) AS d",
            days.start(),
            days.end()
        )
    };
    for (more, truncated, first) in [(1..=400, false, "2023-01-31"), (401..=401, true, "2023-01-31")] {
        sql(&app, &days(more)).await;
        let answer = complete(&user, &id, "&include_timeseries=true").await;
        let series = answer["timeseries"].as_array().unwrap();
        assert_eq!((series.len(), &answer["meta"]["truncated"]), (400, &json!(truncated)));
        assert_eq!((&series[0]["date"], &series[399]["date"]), (&json!(first), &json!("2024-03-05")));
    }
    // Without them nothing is left out.
    assert_eq!(complete(&user, &id, "").await["meta"]["truncated"], false);
}

#[tokio::test]
async fn sums_of_several_are_in_their_currency_and_each_once() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let (dollars, euros) = super::aggregate::two_books(&app, &user).await;
    let short = json!({ "symbol": "MSFT", "position_type": "SHORT", "entry_price": 400, "currency": "USD" });
    let short = lot(&user, &euros, short).await;
    user.post(
        &format!("/positions/{short}/close"),
        json!({ "close_quantity": 5, "exit_price": 378, "exit_date": "2024-03-05" }),
    )
    .await
    .expect(200);
    let path = format!("/analytics/aggregate/overview?{DAY}&portfolio_ids={dollars},{euros},{dollars}");
    let sum = user.get(&path).await.expect(200);
    let parts = user.get(&format!("/analytics/aggregate/breakdown?{DAY}&currency=EUR")).await.expect(200);
    let of_euros = &parts["items"][1]["data"];
    // In euros: 20 AAPL at 103.25 and -5 MSFT at 400, over 1.10; 5 x 22 realised; 20 x 1.75 and 5 x 4 of the day.
    for (field, dollars, euros) in [
        ("long", 1032.5 + 2500.0 + 2065.0 + 1650.0, 1877.27 + 1500.0),
        ("short", -2000.0 - 2000.0, -1818.18),
        ("gross", 5532.5 + 5715.0, 1877.27 + 1500.0 + 1818.18),
        ("realized_pnl", 110.0, 100.0),
        ("day_pnl", 37.5 + 35.0 + 20.0, 31.82 + 18.18),
    ] {
        let (all, one) = (sum["data"][field].as_f64().unwrap(), of_euros[field].as_f64().unwrap());
        assert!((all - dollars).abs() < 0.011, "{field}: {all} is not {dollars}");
        assert!((one - euros).abs() < 0.001, "{field}: {one} is not {euros}");
    }
    assert_eq!(
        (&sum["portfolios"], &sum["currency"], &parts["currency"]),
        (&json!(2), &json!("USD"), &json!("EUR"))
    );
    let number = |value: &Value| value.as_f64().unwrap();
    let weight = number(&of_euros["equity"])
        / (number(&of_euros["equity"]) + number(&parts["items"][0]["data"]["equity"]));
    assert!((number(&parts["items"][1]["weight"]) - weight).abs() < 1e-12, "{parts}");
    let many = |count: usize| (0..count).map(|_| Uuid::now_v7().to_string()).collect::<Vec<_>>().join(",");
    user.get(&format!("/analytics/aggregate/overview?portfolio_ids={}", many(50)))
        .await
        .expect_problem(404, "not_found");
    user.get(&format!("/analytics/aggregate/overview?portfolio_ids={}", many(51)))
        .await
        .expect_wrong_field("portfolio_ids");
}

#[tokio::test]
async fn a_benchmark_is_the_one_of_its_day_and_of_its_name() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = book(&app, &user).await;
    sql(&app, "INSERT INTO benchmarks_sector_weights (benchmark_code, asof_date, sector, weight, data_source) VALUES
        ('SP500', '2024-03-07', 'Energy', 1, 'test'), ('WORLD', '2024-03-01', 'Utilities', 0.5, 'test')").await;
    let path = |query: &str| format!("/analytics/portfolio/{id}/sector-exposure?{DAY}{query}");
    let own = user.get(&path("")).await.expect(200)["data"].clone();
    assert_eq!(
        (&own["benchmark_as_of"], &own["sectors"][2]["benchmark_weight"]),
        (&json!("2024-02-01"), &json!(0.04))
    );
    // What the benchmark does not have counts as nothing of it; the short is below zero.
    assert_eq!(
        (&own["sectors"][0]["benchmark_weight"], &own["sectors"][0]["net_value"]),
        (&json!(0.0), &json!(500.0))
    );
    let world = user.get(&path("&benchmark=WORLD")).await.expect(200);
    assert_eq!(
        (&world["data"]["benchmark"], &world["metadata"]["benchmark"]),
        (&json!("WORLD"), &json!("WORLD"))
    );
    assert_eq!(world["data"]["sectors"][2]["sector"], "Utilities");
    let nobodys = user.get(&path("&benchmark=NONE")).await.expect(200)["data"].clone();
    assert_eq!(
        (&nobodys["benchmark"], &nobodys["sectors"][0]["active_weight"]),
        (&Value::Null, &Value::Null)
    );
    // Ten of eleven are named, the largest first.
    for number in 0..9 {
        lot(&user, &id, json!({ "symbol": format!("OTHER{number}"), "entry_price": 10 + number })).await;
    }
    let data =
        user.get(&format!("/analytics/portfolio/{id}/concentration?{DAY}")).await.expect(200)["data"].clone();
    let named = symbols(&data["largest"]);
    assert_eq!((named.len(), named[0], named[9], &data["symbols"]), (10, "FUND", "OTHER2", &json!(12)));
    let gross = 5532.5 + (100..190).step_by(10).map(f64::from).sum::<f64>();
    let close = |name: &str, expected: f64| {
        assert!((data[name].as_f64().unwrap() - expected / gross).abs() < 1e-12, "{name}: {data}");
    };
    close("top_3", 5532.5);
    close("top_10", gross - 100.0 - 110.0);
}

#[tokio::test]
async fn a_thousand_positions_are_shown_and_more_are_said() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = crate::portfolio::portfolio(&user).await;
    for (numbers, shown, truncated) in [(1..=1000, 1000, false), (1001..=1001, 1000, true)] {
        super::statements::grow(&app, &user, &id, numbers).await;
        let answer = complete(&user, &id, "").await;
        assert_eq!(answer["holdings"].as_array().unwrap().len(), shown);
        assert_eq!(answer["meta"]["truncated"], json!(truncated));
    }
}
