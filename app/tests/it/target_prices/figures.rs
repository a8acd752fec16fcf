//! P-CA-14: what target prices mean is computed when it is read, from lots and closes, and stored nowhere.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use super::{close, held, path_of, target};
use crate::support::TestApp;

fn near(figure: &Value, expected: f64) {
    let figure = figure.as_f64().unwrap_or(f64::NAN);
    assert!((figure - expected).abs() < 1e-9, "{figure} is not {expected}");
}

/// Equity: 10,000 + 150 x 2 gained long + 40 x 2 gained short = 10,380.
#[tokio::test]
async fn returns_values_and_weights_follow_from_lots_and_closes() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = held(&app, &user).await;
    let body = json!({ "symbol": "aapl", "target_price_eoy": 15, "target_price_next_year": 18, "downside_target_price": 9, "analyst_notes": "steady" });
    let long = target(&user, &id, body).await;
    assert_eq!(
        (&long["symbol"], &long["current_price"], &long["lots"]),
        (&json!("AAPL"), &json!(12.0), &json!(2))
    );
    // (15 - 12) / 12 = 25 %, 50 %, -25 %; 150 x 3, x 6, x -3.
    near(&long["expected_return_eoy"], 25.0);
    near(&long["expected_return_next_year"], 50.0);
    near(&long["downside_return"], -25.0);
    let values =
        ["target_upside_eoy_value", "target_upside_next_year_value", "target_downside_value", "market_value"];
    assert_eq!(values.map(|field| &long[field]), [450.0, 900.0, -450.0, 1800.0].map(Value::from).each_ref());
    near(&long["position_weight"], 1800.0 / 10_380.0);
    near(&long["contribution_to_portfolio_return"], 25.0 * 1800.0 / 10_380.0);

    // Short: it gains when the price falls. (6 - 8) / 8 = -25 %, the other sign; 40 x 2.
    let short =
        target(&user, &id, json!({ "symbol": "TSLA", "position_type": "SHORT", "target_price_eoy": 6 }))
            .await;
    near(&short["expected_return_eoy"], 25.0);
    assert_eq!((&short["target_upside_eoy_value"], &short["market_value"]), (&json!(80.0), &json!(-320.0)));
    near(&short["position_weight"], 320.0 / 10_380.0);

    // The owner's own price, and a symbol that is not held and has no price.
    let own = target(
        &user,
        &id,
        json!({ "symbol": "AAPL", "position_type": "LONG", "target_price_eoy": 15, "current_price": 10 }),
    )
    .await;
    near(&own["expected_return_eoy"], 50.0);
    assert_eq!(own["price_date"], Value::Null);
    let unknown = target(&user, &id, json!({ "symbol": "NONE", "target_price_eoy": 15 })).await;
    for field in
        ["current_price", "expected_return_eoy", "target_upside_eoy_value", "market_value", "position_weight"]
    {
        assert_eq!(unknown[field], Value::Null, "{field}");
    }

    // Another close, other figures, though nobody touched the row.
    close(&app, "AAPL", "20").await;
    let later = user.get(&path_of(&long)).await.expect(200);
    near(&later["expected_return_eoy"], -25.0);
    assert_eq!((&later["updated_at"], &later["market_value"]), (&long["updated_at"], &json!(3000.0)));
}

/// P-CA-14: no snapshot comes of reading or writing a target price.
#[tokio::test]
async fn a_target_price_makes_no_snapshot_and_leaves_figures_alone() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = held(&app, &user).await;
    app.core()
        .execute_unprepared(&format!("UPDATE portfolios SET stale_from = NULL WHERE id = '{id}'"))
        .await
        .unwrap();
    let made = target(&user, &id, json!({ "symbol": "AAPL", "target_price_eoy": 15 })).await;
    user.put(&path_of(&made), json!({ "target_price_eoy": 16 })).await.expect(200);
    user.get(&format!("/target-prices/{id}/summary")).await.expect(200);
    user.delete(&path_of(&made)).await.expect(204);
    let sql = format!(
        "SELECT (SELECT count(*) FROM portfolio_snapshots) AS snapshots, stale_from IS NULL AS is_fresh FROM portfolios WHERE id = '{id}'"
    );
    let row =
        app.core().query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    let (snapshots, is_fresh): (i64, bool) =
        (row.try_get("", "snapshots").unwrap(), row.try_get("", "is_fresh").unwrap());
    assert_eq!((snapshots, is_fresh), (0, true));
}

/// Splits are in today's units; a lot counts once, by the target price that is nearest to it.
#[tokio::test]
async fn a_summary_counts_each_lot_once_in_units_of_today() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = held(&app, &user).await;
    let summary = user.get(&format!("/target-prices/{id}/summary")).await.expect(200);
    assert_eq!(
        (&summary["targets"], &summary["open_positions"], &summary["upside_eoy_value"]),
        (&json!(0), &json!(3), &json!(0.0))
    );
    near(&summary["coverage"], 0.0);
    target(&user, &id, json!({ "symbol": "AAPL", "target_price_eoy": 15 })).await;
    target(&user, &id, json!({ "symbol": "AAPL", "position_type": "LONG", "target_price_eoy": 18, "downside_target_price": 6 })).await;
    let summary = user.get(&format!("/target-prices/{id}/summary")).await.expect(200);
    // By the one of the type: 150 x 6; 150 x -6; 1,800 of 1,800 + 320.
    assert_eq!((&summary["targets"], &summary["positions_with_target"]), (&json!(2), &json!(2)));
    assert_eq!((&summary["upside_eoy_value"], &summary["downside_value"]), (&json!(900.0), &json!(-900.0)));
    assert_eq!((&summary["equity"], &summary["currency"]), (&json!(10_380.0), &json!("USD")));
    near(&summary["expected_return_eoy"], 90_000.0 / 10_380.0);
    near(&summary["coverage"], 180_000.0 / 2_120.0);

    // Two for one: 300 units at half the price.
    app.core()
        .execute_unprepared(
            "INSERT INTO corporate_actions (symbol, ex_date, kind, value, data_source)
             VALUES ('AAPL', CURRENT_DATE - 1, 'split', 2, 'test')",
        )
        .await
        .unwrap();
    close(&app, "AAPL", "6").await;
    let rows = user.get(&format!("/target-prices/{id}?symbol=aapl")).await.expect(200);
    let row = rows["items"].as_array().unwrap().iter().find(|row| row["position_type"].is_null()).unwrap();
    assert_eq!(
        (&row["quantity"], &row["market_value"], &row["target_upside_eoy_value"]),
        (&json!(300.0), &json!(1800.0), &json!(2700.0))
    );
}
