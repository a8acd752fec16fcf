//! Closes: events of their own, in the units of their day.

use axum::http::Method;
use serde_json::{Value, json};

use super::{ENTERED, found, lot, path_of, portfolio, split, stale};
use crate::support::TestApp;

#[tokio::test]
async fn a_lot_is_closed_in_parts_and_keeps_what_it_was() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let made = lot(&user, &id, json!({ "entry_price": 100.25 })).await;
    let path = path_of(&made);
    let close = format!("{path}/close");
    stale(&app, &id).await;
    // 4 x (110.10 - 100.25) = 39.40
    let body = json!({ "exit_price": 110.1, "close_quantity": 4, "exit_date": "2024-04-02" });
    let part = user.post(&close, body).await.expect(200);
    assert_eq!(
        (&part["quantity"], &part["opened_quantity"], &part["exit_date"], &part["realized_pnl"]),
        (&json!(6.0), &json!(10.0), &Value::Null, &json!(39.4))
    );
    assert_eq!(stale(&app, &id).await.as_deref(), Some("2024-04-02"));
    // The reference's way: with the correction. 6 x (95.005 - 100.25) = -31.47
    let body = json!({ "exit_price": 95.005, "exit_date": "2024-05-02", "notes": "out" });
    let rest = user.put(&path, body).await.expect(200);
    assert_eq!(
        (&rest["quantity"], &rest["exit_price"], &rest["exit_date"], &rest["realized_pnl"], &rest["notes"]),
        (&json!(0.0), &json!(95.005), &json!("2024-05-02"), &json!(7.93), &json!("out"))
    );
    let closes = rest["closes"].as_array().unwrap();
    let figures: Vec<_> = closes
        .iter()
        .map(|close| (&close["trade_date"], &close["quantity"], &close["realized_pnl"]))
        .collect();
    assert_eq!(
        figures,
        [
            (&json!("2024-04-02"), &json!(4.0), &json!(39.4)),
            (&json!("2024-05-02"), &json!(6.0), &json!(-31.47))
        ]
    );
    user.post(&close, json!({ "exit_price": 1 })).await.expect_problem(409, "position_closed");
    // The newest one is taken back, then the other.
    let open = user.delete(&close).await.expect(200);
    assert_eq!(
        (&open["quantity"], &open["exit_date"], &open["exit_price"], &open["realized_pnl"]),
        (&json!(6.0), &Value::Null, &Value::Null, &json!(39.4))
    );
    assert_eq!(stale(&app, &id).await.as_deref(), Some("2024-04-02").max(Some("2024-05-02")));
    let whole = user.delete(&close).await.expect(200);
    assert_eq!((&whole["quantity"], &whole["realized_pnl"]), (&json!(10.0), &Value::Null));
    user.delete(&close).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn what_is_short_gains_when_it_falls_and_contracts_count_their_multiplier() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let short = lot(&user, &id, json!({ "quantity": -8 })).await;
    let body = json!({ "exit_price": 90, "close_quantity": 3, "exit_date": "2024-04-02" });
    let short = user.post(&format!("{}/close", path_of(&short)), body).await.expect(200);
    assert_eq!((&short["quantity"], &short["realized_pnl"]), (&json!(-5.0), &json!(30.0)));
    let option = json!({
        "position_type": "SC", "quantity": 2, "entry_price": 3.15, "underlying_symbol": "AAPL",
        "strike_price": 190, "expiration_date": "2024-06-21",
    });
    let option = lot(&user, &id, option).await;
    let body = json!({ "exit_price": 1.05, "exit_date": "2024-04-02" });
    let option = user.post(&format!("{}/close", path_of(&option)), body).await.expect(200);
    assert_eq!((&option["quantity"], &option["realized_pnl"]), (&json!(0.0), &json!(420.0)));
    // To the cent, half away from zero: 1 x (100.005 - 100) and its opposite.
    for (quantity, result) in [(1, 0.01), (-1, -0.01)] {
        let made = lot(&user, &id, json!({ "quantity": quantity })).await;
        let body = json!({ "exit_price": 100.005, "exit_date": "2024-04-02" });
        let closed = user.post(&format!("{}/close", path_of(&made)), body).await.expect(200);
        assert_eq!(closed["realized_pnl"], json!(result));
    }
    // Without a rate of exchange there is no result yet.
    let foreign = lot(&user, &id, json!({ "currency": "EUR" })).await;
    let body = json!({ "exit_price": 110, "exit_date": "2024-04-02" });
    let foreign = user.post(&format!("{}/close", path_of(&foreign)), body).await.expect(200);
    assert_eq!((&foreign["quantity"], &foreign["realized_pnl"]), (&json!(0.0), &Value::Null));
}

#[tokio::test]
async fn after_a_split_its_owner_speaks_of_todays_units() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    split(&app, "AAPL", ENTERED, "7").await; // opened without it, the same day
    split(&app, "AAPL", "2024-06-10", "4").await;
    let made = lot(&user, &id, json!({})).await;
    assert_eq!((&made["quantity"], &made["current_quantity"]), (&json!(10.0), &json!(40.0)));
    let close = format!("{}/close", path_of(&made));
    // Before the split, and on its day.
    let before = json!({ "exit_price": 120, "close_quantity": 1, "exit_date": "2024-06-07" });
    let before = user.post(&close, before).await.expect(200);
    assert_eq!((&before["quantity"], &before["realized_pnl"]), (&json!(9.0), &json!(20.0)));
    // 8 units of today are 2 of those that cost 100; 30 for one is 120 for those: 2 x 20.
    let after = json!({ "exit_price": 30, "close_quantity": 8, "exit_date": "2024-06-10" });
    let after = user.post(&close, after).await.expect(200);
    assert_eq!(
        (&after["quantity"], &after["current_quantity"], &after["realized_pnl"]),
        (&json!(7.0), &json!(28.0), &json!(60.0))
    );
    assert_eq!((&after["closes"][1]["quantity"], &after["closes"][1]["price"]), (&json!(2.0), &json!(120.0)));
    user.post(&close, json!({ "exit_price": 30, "close_quantity": 29, "exit_date": "2024-06-10" }))
        .await
        .expect_wrong_field("close_quantity");
    let rest = json!({ "exit_price": 30, "close_quantity": 28, "exit_date": "2024-06-11" });
    assert_eq!(user.post(&close, rest).await.expect(200)["quantity"], 0.0);
    // A third of a hundred is no number: who sells all of them has none left.
    split(&app, "MSFT", "2024-06-10", "0.33333333").await;
    let odd = lot(&user, &id, json!({ "symbol": "MSFT", "quantity": 100 })).await;
    let all =
        json!({ "exit_price": 300, "close_quantity": odd["current_quantity"], "exit_date": "2024-06-11" });
    let odd = user.post(&format!("{}/close", path_of(&odd)), all).await.expect(200);
    assert_eq!((&odd["quantity"], &odd["exit_date"]), (&json!(0.0), &json!("2024-06-11")));
}

#[tokio::test]
async fn wrong_closes_are_named_and_change_nothing() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let made = lot(&user, &id, json!({})).await;
    let path = path_of(&made);
    stale(&app, &id).await;
    for (body, field) in [
        (json!({}), "exit_price"),
        (json!({ "exit_price": -1 }), "exit_price"),
        (json!({ "exit_price": 1, "close_quantity": 0 }), "close_quantity"),
        (json!({ "exit_price": 1, "close_quantity": -1 }), "close_quantity"),
        (json!({ "exit_price": 1, "close_quantity": 10.000_000_01 }), "close_quantity"),
        (json!({ "exit_price": 1, "exit_date": "2024-03-03" }), "exit_date"),
        (json!({ "exit_price": 1, "exit_date": "2199-01-01" }), "exit_date"),
        (json!({ "exit_price": 1, "price": 1 }), "price"),
    ] {
        user.post(&format!("{path}/close"), body).await.expect_wrong_field(field);
    }
    // A correction that comes with a wrong close is not made either.
    let both = json!({ "notes": "no", "exit_price": 1, "close_quantity": 11 });
    user.put(&path, both).await.expect_wrong_field("close_quantity");
    assert_eq!(user.get(&path).await.expect(200), made);
    assert_eq!(stale(&app, &id).await, None);

    // What was closed bounds what can be corrected.
    let body = json!({ "exit_price": 110, "close_quantity": 4, "exit_date": "2024-04-02" });
    user.post(&format!("{path}/close"), body).await.expect(200);
    user.patch(&path, json!({ "quantity": 3 })).await.expect_wrong_field("quantity");
    user.patch(&path, json!({ "entry_date": "2024-04-03" })).await.expect_wrong_field("entry_date");
    // And a corrected entry is a corrected result: 4 x (110 - 105).
    let repriced = user.patch(&path, json!({ "entry_price": 105, "quantity": 20 })).await.expect(200);
    assert_eq!((&repriced["quantity"], &repriced["realized_pnl"]), (&json!(16.0), &json!(20.0)));
    assert_eq!(repriced["closes"][0]["realized_pnl"], json!(20.0));
    let exact = user.patch(&path, json!({ "quantity": 4 })).await.expect(200);
    assert_eq!((&exact["quantity"], &exact["exit_date"]), (&json!(0.0), &json!("2024-04-02")));
    let more = user.patch(&path, json!({ "quantity": 5 })).await.expect(200);
    assert_eq!((&more["quantity"], &more["exit_date"]), (&json!(1.0), &Value::Null));
}

#[tokio::test]
async fn closes_at_once_take_no_more_than_there_is_and_a_retried_one_is_one() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let close = format!("{}/close", path_of(&lot(&user, &id, json!({})).await));
    let body = json!({ "exit_price": 110, "close_quantity": 4, "exit_date": "2024-04-02" });
    super::warm(&user).await;
    let answers = futures::future::join_all((0..6).map(|_| user.post(&close, body.clone()))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 2);
    assert_eq!(found(&app, "SELECT quantity::text FROM positions").await.unwrap(), "2.00000000");
    let keyed = [("idempotency-key", "once")];
    let body = json!({ "exit_price": 110, "close_quantity": 1, "exit_date": "2024-04-02" });
    let first = user.request(Method::POST, &close, Some(body.clone()), &keyed).await.expect(200);
    // As if the process had ended between the close and the stored answer.
    super::sql(
        &app,
        "UPDATE idempotency_keys SET state = 'running', status = NULL, body = NULL, lease_owner = gen_random_uuid(),
                lease_expires_at = now() - interval '1 second',
                resource_id = (SELECT id FROM position_realized_events ORDER BY created_at DESC LIMIT 1)",
    )
    .await;
    let again = user.request(Method::POST, &close, Some(body), &keyed).await.expect(200);
    assert_eq!((&again, &again["quantity"]), (&first, &json!(1.0)));
}
