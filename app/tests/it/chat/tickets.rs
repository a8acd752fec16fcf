//! A ticket opens one stream, once, for a minute.

use axum::http::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;

use crate::support::TestApp;
use crate::support::user::TestUser;

/// A finished answer of the user's.
async fn answer(user: &TestUser) -> String {
    let answer = user.ask(&user.conversation().await, "What is beta?").await.expect(200);
    answer["assistant_message_id"].as_str().unwrap().to_owned()
}

async fn ticket(user: &TestUser, id: &str) -> String {
    let made = user.post(&format!("/chat/messages/{id}/stream-ticket"), json!({})).await.expect(201);
    assert_eq!(made["expires_in"], 60);
    made["ticket"].as_str().unwrap().to_owned()
}

fn path(id: &str, ticket: &str) -> String {
    format!("/chat/messages/{id}/stream?ticket={ticket}")
}

async fn tickets(app: &TestApp) -> i64 {
    let count = Statement::from_string(DbBackend::Postgres, "SELECT count(*) FROM stream_tickets");
    app.core().query_one_raw(count).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn a_ticket_opens_its_stream_once_at_any_replica_without_a_header() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let user = app.user().await;
    let id = answer(&user).await;
    let all = user.get(&format!("/chat/messages/{id}/stream")).await.events();
    let given = ticket(&user, &id).await;
    let browser = other.anonymous();
    assert_eq!(browser.get(&path(&id, &given)).await.events(), all);
    browser.get(&path(&id, &given)).await.expect_problem(401, "invalid_ticket");

    // Of many at once one gets in.
    let given = path(&id, &ticket(&user, &id).await);
    let tries = (0..10).map(|_| browser.get(&given));
    let tries = futures::future::join_all(tries).await;
    assert_eq!(tries.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(tries.iter().all(|answer| [200, 401].contains(&answer.status)));

    // It may be told where to go on.
    let last = all.len() - 1;
    let given = format!("{}&starting_after={last}", path(&id, &ticket(&user, &id).await));
    assert_eq!(browser.get(&given).await.events(), all[last..]);
    assert_eq!(tickets(&app).await, 0);
}

#[tokio::test]
async fn a_ticket_opens_nothing_else() {
    let app = TestApp::start().await;
    let (user, stranger, browser) = (app.user().await, app.user().await, app.anonymous());
    let (id, another, theirs) = (answer(&user).await, answer(&user).await, answer(&stranger).await);
    stranger
        .post(&format!("/chat/messages/{id}/stream-ticket"), json!({}))
        .await
        .expect_problem(404, "not_found");
    let given = ticket(&user, &id).await;
    for other in [&another, &theirs] {
        browser.get(&path(other, &given)).await.expect_problem(401, "invalid_ticket");
    }
    for wrong in ["", "x", &given[1..], "%00"] {
        browser.get(&path(&id, wrong)).await.expect_problem(401, "invalid_ticket");
    }
    browser.get(&path("nonsense", &given)).await.expect_problem(401, "invalid_ticket");
    browser.get(&format!("/chat/messages/{id}/stream")).await.expect_problem(401, "missing_token");
    // No other route, and no other method, takes it.
    for (method, route) in [
        (Method::POST, format!("/chat/messages/{id}/cancel?ticket={given}")),
        (Method::POST, format!("/chat/messages/{id}/stream-ticket?ticket={given}")),
        (Method::GET, format!("/auth/me?ticket={given}")),
    ] {
        browser.request(method, &route, None, &[]).await.expect_problem(401, "missing_token");
    }
    // A header that is sent is what counts.
    user.with_token("wrong").get(&path(&id, &given)).await.expect_problem(401, "invalid_token");
    stranger.get(&path(&id, &given)).await.expect_problem(404, "not_found");
    // After all that it still opens its own.
    assert_eq!(browser.get(&path(&id, &given)).await.status, 200);
}

#[tokio::test]
async fn a_ticket_ends_with_its_minute_its_account_and_its_message() {
    let app = TestApp::start().await;
    let (user, browser) = (app.user().await, app.anonymous());
    let id = answer(&user).await;
    let run = async |sql: &str| app.core().execute_unprepared(sql).await.unwrap();

    let given = ticket(&user, &id).await;
    let kept =
        Statement::from_string(DbBackend::Postgres, "SELECT row_to_json(t)::text FROM stream_tickets AS t");
    let row: String = app.core().query_one_raw(kept).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    assert!(!row.contains(&given), "{row}");
    run("UPDATE stream_tickets SET expires_at = now()").await;
    browser.get(&path(&id, &given)).await.expect_problem(401, "invalid_ticket");
    assert_eq!(tickets(&app).await, 1);
    tandem::auth::delete_expired(app.core()).await.unwrap();
    assert_eq!(tickets(&app).await, 0);

    let given = ticket(&user, &id).await;
    run("UPDATE users SET is_active = false").await;
    browser.get(&path(&id, &given)).await.expect_problem(401, "account_disabled");
    run("UPDATE users SET is_active = true").await;
    let given = ticket(&user, &id).await;
    run("DELETE FROM conversations").await;
    assert_eq!(tickets(&app).await, 0);
    browser.get(&path(&id, &given)).await.expect_problem(401, "invalid_ticket");
}
