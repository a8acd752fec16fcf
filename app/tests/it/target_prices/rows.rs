//! Made, listed, changed, deleted.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{held, path_of, target};
use crate::portfolio_import::portfolio;
use crate::support::TestApp;

#[tokio::test]
async fn a_target_price_is_made_changed_and_deleted() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = held(&app, &user).await;
    let base = format!("/target-prices/{id}");
    let made =
        target(&user, &id, json!({ "symbol": "AAPL", "target_price_eoy": "15.25", "data_source": "me" }))
            .await;
    assert_eq!(
        (&made["target_price_eoy"], &made["position_type"], &made["portfolio_id"]),
        (&json!(15.25), &Value::Null, &json!(id))
    );
    assert_eq!(user.get(&path_of(&made)).await.expect(200), made);
    let taken = user.post(&base, json!({ "symbol": "AAPL", "target_price_eoy": 1 })).await;
    assert_eq!(taken.expect_problem(409, "target_price_exists")["id"], made["id"]);
    // Another type of the same symbol is another one.
    target(&user, &id, json!({ "symbol": "AAPL", "position_type": "LONG", "target_price_eoy": 1 })).await;

    let changed = user
        .put(&path_of(&made), json!({ "target_price_next_year": 20, "data_source": null }))
        .await
        .expect(200);
    assert_eq!(
        (&changed["target_price_eoy"], &changed["target_price_next_year"], &changed["data_source"]),
        (&json!(15.25), &json!(20.0), &Value::Null)
    );
    let none = json!({ "target_price_eoy": null, "target_price_next_year": null });
    user.put(&path_of(&made), none).await.expect_wrong_field("target_price_eoy");
    assert_eq!(user.get(&base).await.expect(200)["items"].as_array().unwrap().len(), 2);
    assert_eq!(user.get(&format!("{base}?symbol=MSFT")).await.expect(200)["items"], json!([]));
    user.delete(&path_of(&made)).await.expect(204);
    user.get(&path_of(&made)).await.expect_problem(404, "not_found");
    user.delete(&path_of(&made)).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn wrong_fields_are_named_and_lots_must_be_the_portfolios_own() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = held(&app, &user).await;
    let base = format!("/target-prices/{id}");
    for (field, value) in [
        ("symbol", json!("§")),
        ("target_price_eoy", json!(-1)),
        ("target_price_eoy", Value::Null),
        ("target_price_next_year", json!("x")),
        ("downside_target_price", json!(1e13)),
        ("current_price", json!(0)),
        ("position_type", json!("LANG")),
        ("analyst_notes", json!("n".repeat(5001))),
        ("data_source", json!("s".repeat(51))),
        ("expected_return_eoy", json!(5)),
    ] {
        let mut body = json!({ "symbol": "AAPL", "target_price_eoy": 1 });
        body[field] = value;
        user.post(&base, body).await.expect_wrong_field(field);
    }
    let lots = user.get(&format!("/positions?portfolio_id={id}")).await.expect(200);
    let lot =
        lots["items"].as_array().unwrap().iter().find(|lot| lot["symbol"] == "TSLA").unwrap()["id"].clone();
    user.post(&base, json!({ "symbol": "AAPL", "position_id": lot, "target_price_eoy": 1 }))
        .await
        .expect_wrong_field("symbol");
    let nobody = json!({ "symbol": "TSLA", "position_id": Uuid::now_v7(), "target_price_eoy": 1 });
    user.post(&base, nobody).await.expect_problem(404, "not_found");
    let made =
        target(&user, &id, json!({ "symbol": "TSLA", "position_id": lot, "target_price_eoy": 1 })).await;
    assert_eq!((&made["position_id"], &made["lots"]), (&lot, &json!(1)));

    let other = portfolio(&user, "other").await;
    let foreign = json!({ "symbol": "TSLA", "position_id": lot, "target_price_eoy": 1 });
    user.post(&format!("/target-prices/{other}"), foreign).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn many_are_made_and_changed_all_or_none() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = held(&app, &user).await;
    let (bulk, update) = (format!("/target-prices/{id}/bulk"), format!("/target-prices/{id}/bulk-update"));
    let targets = |symbols: &[&str]| {
        let rows: Vec<Value> =
            symbols.iter().map(|symbol| json!({ "symbol": symbol, "target_price_eoy": 10 })).collect();
        json!({ "target_prices": rows })
    };
    user.post(&bulk, targets(&["AAPL", "MSFT", "AAPL"])).await.expect_problem(409, "target_price_exists");
    user.post(&bulk, targets(&["AAPL", "§"])).await.expect_wrong_field("target_prices[1].symbol");
    user.post(&bulk, targets(&vec!["A"; 501])).await.expect_wrong_field("target_prices");
    user.post(&bulk, targets(&[])).await.expect_wrong_field("target_prices");
    let listed = async || {
        user.get(&format!("/target-prices/{id}")).await.expect(200)["items"].as_array().unwrap().clone()
    };
    assert_eq!(listed().await, [] as [Value; 0]);
    let keyed = [("idempotency-key", "once")];
    let made = user.request(Method::POST, &bulk, Some(targets(&["AAPL", "MSFT"])), &keyed).await.expect(201);
    let again = user.request(Method::POST, &bulk, Some(targets(&["AAPL", "MSFT"])), &keyed).await.expect(201);
    assert_eq!(made, again);
    let ids: Vec<Value> = made["items"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect();
    let symbols: Vec<&str> =
        made["items"].as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap()).collect();
    assert_eq!(symbols, ["AAPL", "MSFT"]);

    let change = |one: &Value, other: Value| {
        json!({ "target_prices": [
        { "id": one, "change": { "target_price_eoy": 30 } }, { "id": other, "change": { "target_price_eoy": 40 } },
    ] })
    };
    user.put(&update, change(&ids[0], json!(Uuid::now_v7()))).await.expect_problem(404, "not_found");
    assert!(listed().await.iter().all(|row| row["target_price_eoy"] == 10.0), "the first is as it was");
    let changed = user.put(&update, change(&ids[0], ids[1].clone())).await.expect(200);
    let prices: Vec<f64> = changed["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["target_price_eoy"].as_f64().unwrap())
        .collect();
    assert_eq!(prices, [30.0, 40.0]);
}

#[tokio::test]
async fn somebody_elses_target_prices_are_not_there() {
    let app = TestApp::start().await;
    let (owner, stranger) = (app.user().await, app.user().await);
    let id = held(&app, &owner).await;
    let made = target(&owner, &id, json!({ "symbol": "AAPL", "target_price_eoy": 15 })).await;
    for path in [
        format!("/target-prices/{id}"),
        format!("/target-prices/{id}/summary"),
        format!("/target-prices/{id}/export"),
        path_of(&made),
    ] {
        stranger.get(&path).await.expect_problem(404, "not_found");
        owner.get(&path).await.status.eq(&200).then_some(()).unwrap();
    }
    let own = portfolio(&stranger, "own").await;
    let change = json!({ "target_prices": [{ "id": made["id"], "change": { "target_price_eoy": 1 } }] });
    stranger.put(&format!("/target-prices/{own}/bulk-update"), change).await.expect_problem(404, "not_found");
    assert_eq!(owner.get(&path_of(&made)).await.expect(200)["target_price_eoy"], 15.0);
}

#[tokio::test]
async fn lists_come_in_pages_without_gaps() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user, "pages").await;
    for number in 0..5 {
        target(&user, &id, json!({ "symbol": format!("S{number}"), "target_price_eoy": 1 })).await;
    }
    let (mut seen, mut next) = (Vec::new(), format!("/target-prices/{id}?limit=2"));
    for _ in 0..3 {
        let page = user.get(&next).await.expect(200);
        seen.extend(
            page["items"].as_array().unwrap().iter().map(|row| row["symbol"].as_str().unwrap().to_owned()),
        );
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        next = format!("/target-prices/{id}?limit=2&cursor={cursor}");
    }
    assert_eq!(seen, ["S4", "S3", "S2", "S1", "S0"]);
}
