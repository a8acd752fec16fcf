//! Portfolios themselves.

use axum::http::Method;
use serde_json::{Value, json};

use super::{items, lot, portfolio, sql, stale};
use crate::support::TestApp;

#[tokio::test]
async fn a_portfolio_is_made_read_changed_and_deleted() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({
        "name": "Retirement", "account_name": "IRA 1", "account_type": "roth_ira", "currency": "EUR",
        "description": "For later.", "equity_balance": 485_000.25,
    });
    let made = user.post("/portfolios", body.clone()).await.expect(201);
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(&made[field], value, "{field}");
    }
    assert_eq!((&made["open_positions"], &made["valued_on"]), (&json!(0), &Value::Null));
    let path = format!("/portfolios/{}", made["id"].as_str().unwrap());
    assert_eq!(user.get(&path).await.expect(200), made);
    assert_eq!(items(&user, "/portfolios").await, [made]);

    let changed = user.patch(&path, json!({ "name": "Old age", "description": null })).await.expect(200);
    assert_eq!(
        (&changed["name"], &changed["description"], &changed["account_name"]),
        (&json!("Old age"), &Value::Null, &json!("IRA 1"))
    );
    let changed = user.put(&path, json!({ "account_type": "trust" })).await.expect(200);
    assert_eq!((&changed["name"], &changed["account_type"]), (&json!("Old age"), &json!("trust")));
    user.delete(&path).await.expect(204);
    user.get(&path).await.expect_problem(404, "not_found");
    user.delete(&path).await.expect_problem(404, "not_found");
    assert_eq!(items(&user, "/portfolios").await, [] as [Value; 0]);
}

/// The schema's old weakness: a deleted account could never be made again.
#[tokio::test]
async fn the_name_of_a_deleted_account_is_free_again() {
    let app = TestApp::start().await;
    let (user, other) = (app.user().await, app.user().await);
    let body = json!({ "name": "Main", "account_name": "Broker 1" });
    for _ in 0..3 {
        let made = user.post("/portfolios", body.clone()).await.expect(201);
        let taken = user.post("/portfolios", body.clone()).await.expect_problem(409, "account_name_taken");
        assert_eq!(taken["id"], made["id"]);
        user.delete(&format!("/portfolios/{}", made["id"].as_str().unwrap())).await.expect(204);
    }
    // Names are each user's own.
    user.post("/portfolios", body.clone()).await.expect(201);
    other.post("/portfolios", body).await.expect(201);
    let second = user.post("/portfolios", json!({ "name": "Second" })).await.expect(201);
    assert_eq!(second["account_name"], "Second");
    let path = format!("/portfolios/{}", second["id"].as_str().unwrap());
    user.patch(&path, json!({ "account_name": "Broker 1" })).await.expect_problem(409, "account_name_taken");
    user.patch(&path, json!({ "account_name": "Second" })).await.expect(200);
}

#[tokio::test]
async fn a_tier_has_its_number_of_portfolios_however_many_are_asked_for_at_once() {
    let app = TestApp::start().await;
    let user = app.user().await;
    super::warm(&user).await;
    let made = futures::future::join_all(
        (0..8).map(|number| user.post("/portfolios", json!({ "name": format!("Portfolio {number}") }))),
    )
    .await;
    let (made, refused): (Vec<_>, Vec<_>) = made.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((made.len(), refused.len()), (2, 6));
    for answer in refused {
        answer.expect_problem(403, "portfolio_limit_reached");
    }
    let me = user.get("/auth/me").await.expect(200);
    assert_eq!((&me["tier"], &me["limits"]["max_portfolios"]), (&json!("free"), &json!(2)));
    let paid = app.admin().await.patch(&format!("/admin/users/{}", user.id), json!({ "tier": "paid" })).await;
    assert_eq!(paid.expect(200)["tier"], "paid");
    let me = user.get("/auth/me").await.expect(200);
    assert_eq!((&me["tier"], &me["limits"]["max_portfolios"]), (&json!("paid"), &json!(10)));
    for number in 2..10 {
        user.post("/portfolios", json!({ "name": format!("More {number}") })).await.expect(201);
    }
    user.post("/portfolios", json!({ "name": "One too many" }))
        .await
        .expect_problem(403, "portfolio_limit_reached");
    // A deleted one makes room.
    let last = items(&user, "/portfolios?limit=1").await;
    user.delete(&format!("/portfolios/{}", last[0]["id"].as_str().unwrap())).await.expect(204);
    user.post("/portfolios", json!({ "name": "Instead" })).await.expect(201);
}

#[tokio::test]
async fn me_tells_how_many_messages_are_left() {
    let app = TestApp::with().env("TANDEM__QUOTA__MONTHLY_MESSAGES", 3).start().await;
    let user = app.user().await;
    let limits = |me: Value| me["limits"].clone();
    let fresh = limits(user.get("/auth/me").await.expect(200));
    assert_eq!(
        fresh,
        json!({ "max_portfolios": 2, "max_ai_messages": 3, "ai_messages_used": 0, "ai_messages_remaining": 3 })
    );
    let conversation = user.conversation().await;
    user.ask(&conversation, "What is beta?").await.expect(200);
    let after = limits(user.get("/auth/me").await.expect(200));
    assert_eq!((&after["ai_messages_used"], &after["ai_messages_remaining"]), (&json!(1), &json!(2)));
    let unlimited = TestApp::start().await;
    let me = unlimited.user().await.get("/auth/me").await.expect(200);
    assert_eq!(
        (&me["limits"]["max_ai_messages"], &me["limits"]["ai_messages_remaining"]),
        (&Value::Null, &Value::Null)
    );
    assert!(me["email"].as_str().unwrap().contains('@'), "{me}");
}

#[tokio::test]
async fn what_changes_figures_says_from_which_day_on() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let path = format!("/portfolios/{id}");
    assert_eq!(stale(&app, &id).await, None);
    lot(&user, &id, json!({ "entry_date": "2023-05-01" })).await;
    assert_eq!(stale(&app, &id).await.as_deref(), Some("2023-05-01"));
    user.patch(&path, json!({ "name": "Another" })).await.expect(200);
    assert_eq!(stale(&app, &id).await, None);
    let open = user.patch(&path, json!({ "equity_balance": 100 })).await.expect(200);
    assert_eq!((&open["open_positions"], &open["equity_balance"]), (&json!(1), &json!(100.0)));
    assert_eq!(stale(&app, &id).await.as_deref(), Some("2023-05-01"));
    // Sums in another currency are no sums.
    sql(&app, "UPDATE positions SET market_value = 1, cost_basis = 1, unrealized_pnl = 0").await;
    user.patch(&path, json!({ "currency": "CHF" })).await.expect(200);
    assert_eq!(stale(&app, &id).await.as_deref(), Some("2023-05-01"));
    let lots = items(&user, "/positions").await;
    assert_eq!((&lots[0]["market_value"], &lots[0]["currency"]), (&Value::Null, &json!("USD")));
}

#[tokio::test]
async fn a_retried_request_makes_nothing_twice() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = portfolio(&user).await;
    let lots = json!({ "portfolio_id": id, "positions": [
        { "symbol": "AAPL", "quantity": 1, "entry_price": 1 }, { "symbol": "MSFT", "quantity": 1, "entry_price": 1 },
    ] });
    let changes = format!("/portfolios/{id}/equity-changes");
    for (path, body, list, count) in [
        ("/portfolios", json!({ "name": "B" }), "/portfolios", 2),
        ("/positions", super::with(&id, json!({})), "/positions", 1),
        ("/positions/bulk", lots, "/positions", 3),
        (changes.as_str(), super::contribution(), changes.as_str(), 1),
        ("/tags", json!({ "name": "A" }), "/tags", 1),
    ] {
        let keyed = [("idempotency-key", "once")];
        let first = user.request(Method::POST, path, Some(body.clone()), &keyed).await.expect(201);
        // As if the process had ended between the deed and the stored answer.
        sql(
            &app,
            "UPDATE idempotency_keys SET state = 'running', status = NULL, body = NULL, lease_owner = gen_random_uuid(),
                    lease_expires_at = now() - interval '1 second'",
        )
        .await;
        let again = user.request(Method::POST, path, Some(body), &keyed).await.expect(201);
        assert_eq!(again, first, "{path}");
        assert_eq!(items(&user, list).await.len(), count, "{path}");
    }
}

#[tokio::test]
async fn lists_come_in_pages_without_gaps() {
    let app = TestApp::start().await;
    let user = app.user().await;
    sql(&app, &format!("UPDATE users SET tier = 'paid' WHERE id = '{}'", user.id)).await;
    for number in 0..7 {
        user.post("/portfolios", json!({ "name": number.to_string() })).await.expect(201);
    }
    let id = items(&user, "/portfolios").await[0]["id"].as_str().unwrap().to_owned();
    let many: Vec<Value> = (0..7)
        .map(|number| json!({ "symbol": format!("S{number}"), "quantity": 1, "entry_price": 1 }))
        .collect();
    user.post("/positions/bulk", json!({ "portfolio_id": id, "positions": many })).await.expect(201);
    let changes = format!("/portfolios/{id}/equity-changes");
    for number in 0..7 {
        let mut body = super::contribution();
        // Three days, so that some are of the same one.
        body["change_date"] = json!(format!("2024-03-0{}", 1 + number / 3));
        body["notes"] = json!(number.to_string());
        user.post(&changes, body).await.expect(201);
        user.post("/tags", json!({ "name": number.to_string() })).await.expect(201);
    }
    for (path, field) in
        [("/portfolios", "name"), ("/positions", "symbol"), (changes.as_str(), "notes"), ("/tags", "name")]
    {
        let (mut seen, mut next) = (Vec::new(), format!("{path}?limit=3"));
        for _ in 0..3 {
            let page = user.get(&next).await.expect(200);
            let names = page["items"].as_array().unwrap().iter();
            seen.extend(names.map(|row| row[field].as_str().unwrap().trim_start_matches('S').to_owned()));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            next = format!("{path}?limit=3&cursor={cursor}");
        }
        assert_eq!(seen, ["6", "5", "4", "3", "2", "1", "0"], "{path}");
    }
}
