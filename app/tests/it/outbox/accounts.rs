//! The end of an account.

use std::time::Duration;

use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::json;
use tandem::persona::Pair;

use super::{count, count_of, source, state, waiting};
use crate::chat::{eventually, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::user::TestUser;

async fn delete_me(user: &TestUser, password: &str) -> crate::support::response::TestResponse {
    user.request(Method::DELETE, "/auth/me", Some(json!({ "password": password })), &[]).await
}

/// Rows of ai that belong to the user.
async fn rows_in_ai(app: &TestApp, user: &TestUser) -> i64 {
    let sql = "SELECT (SELECT count(*) FROM ai_kb_sources WHERE owner_id = $1)
                    + (SELECT count(*) FROM ai_kb_documents WHERE owner_id = $1)
                    + (SELECT count(*) FROM ai_memories WHERE owner_id = $1)
                    + (SELECT count(*) FROM ai_feedback WHERE user_id = $1)";
    count_of(app.ai(), sql, [user.id.into()]).await
}

async fn furnished(app: &TestApp) -> TestUser {
    let user = app.user().await;
    source(app, &user, "gold", "Gold is a precious metal.").await;
    state(&user, "I own gold.").await;
    let conversation = user.conversation().await;
    let answer = user.ask(&conversation, "What is gold?").await.expect(200);
    let vote = format!("/chat/messages/{}/feedback", answer["assistant_message_id"].as_str().unwrap());
    user.put(&vote, json!({ "rating": "up" })).await.expect(200);
    assert_eq!(rows_in_ai(app, &user).await, 4);
    user
}

#[tokio::test]
async fn an_account_goes_with_everything_in_it() {
    let app = TestApp::start().await;
    let (user, other) = (furnished(&app).await, furnished(&app).await);
    delete_me(&user, "a wrong password").await.expect_problem(403, "wrong_password");
    delete_me(&user, "a password for tests").await.expect(204);
    assert_eq!(rows_in_ai(&app, &user).await, 0);
    assert_eq!(count(app.core(), "SELECT count(*) FROM conversations").await, 1);
    user.get("/auth/me").await.expect_problem(401, "invalid_token");
    assert_eq!(rows_in_ai(&app, &other).await, 4, "another's rows stay");
    other.get("/auth/me").await.expect(200);
}

#[tokio::test]
async fn many_rows_of_an_account_go_in_batches() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let items: Vec<_> = (0..45)
        .map(|n| json!({ "title": "T", "external_id": n.to_string(), "text": format!("Fact {n}.") }))
        .collect();
    user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
    app.run_jobs().await;
    delete_me(&user, "a password for tests").await.expect(204);
    assert_eq!(rows_in_ai(&app, &user).await, 0);
}

#[tokio::test]
async fn an_admin_deletes_accounts_but_not_the_last_admin() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let user = furnished(&app).await;
    let path = |user: &TestUser| format!("/admin/users/{}", user.id);
    user.delete(&path(&admin)).await.expect_problem(403, "admin_only");
    admin.delete(&path(&user)).await.expect(204);
    admin.delete(&path(&user)).await.expect_problem(404, "not_found");
    assert_eq!(rows_in_ai(&app, &user).await, 0);
    admin.delete(&path(&admin)).await.expect_problem(409, "last_admin");
    delete_me(&admin, "a password for tests").await.expect_problem(409, "last_admin");
    // Two administrators who delete each other at once leave one.
    let second = app.admin().await;
    let (own, others) = (path(&admin), path(&second));
    let (one, other) = tokio::join!(admin.delete(&others), second.delete(&own));
    let mut statuses = [one.status, other.status];
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204);
    assert_eq!(count(app.core(), "SELECT count(*) FROM users WHERE role = 'admin'").await, 1);
}

#[tokio::test]
async fn an_account_deleted_while_ai_is_away_is_gone_when_it_is_back() {
    let app = TestApp::with().env("TANDEM__DATABASE__AI_WAIT_MS", 500).start().await;
    let user = furnished(&app).await;
    app.stop_ai().await;
    delete_me(&user, "a password for tests").await.expect(202);
    user.get("/auth/me").await.expect_problem(401, "invalid_token");
    app.start_ai().await;
    app.run_outbox().await;
    assert_eq!((rows_in_ai(&app, &user).await, waiting(app.core()).await), (0, 0));
}

#[tokio::test]
async fn what_still_runs_for_a_deleted_account_brings_nothing_back() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Noted. ", "Indeed."]).every(Duration::from_secs(1)));
    let app = with_model(&server).await;
    let user = app.user().await;
    // An ingestion that has not begun, and a turn in the middle.
    super::offer(&user, "gold", "Gold is a precious metal.").await;
    let conversation = user.conversation().await;
    let turn = {
        let user = user.clone();
        tokio::spawn(async move { user.ask(&conversation, "Please remember that I drink tea.").await })
    };
    let begun = eventually(|| async {
        count(app.core(), "SELECT count(*) FROM message_events WHERE event = 'token'").await > 0
    });
    assert!(begun.await, "the turn did not begin");
    delete_me(&user, "a password for tests").await.expect(204);
    app.run_jobs().await;
    assert_ne!(turn.await.unwrap().status, 200);
    assert_eq!(rows_in_ai(&app, &user).await, 0);
    assert_eq!(count(app.core(), "SELECT count(*) FROM messages").await, 0);
}

/// A request that was let in before the account went writes after it.
#[tokio::test]
async fn a_request_that_outlives_its_account_is_refused_by_ai() {
    use tandem::auth::{CurrentUser, Ownership};
    use tandem::knowledge::{Offer, SourceInput, accept};
    let app = TestApp::start().await;
    let user = furnished(&app).await;
    let current: CurrentUser =
        tandem::auth::find_user_by_email(app.core(), &user.email).await.unwrap().unwrap();
    delete_me(&user, "a password for tests").await.expect(204);
    let input = SourceInput {
        title: "T".to_owned(),
        text: "Gold is a metal.".to_owned(),
        external_id: None,
        scope: None,
        metadata: serde_json::Map::new(),
        media_type: tandem::knowledge::MediaType::Plain,
    };
    let offer = Offer { ownership: Ownership::of(&current), scope: "user".to_owned(), input, file: None };
    assert!(accept::accept(&app.state, None, vec![offer]).await.is_err());
    let said = tandem::memory::Said {
        conversation_id: uuid::Uuid::now_v7().into(),
        generation: 1,
        message_id: uuid::Uuid::now_v7().into(),
    };
    assert!(
        tandem::memory::remember(&app.state, &current, Pair::default(), "I drink tea.", said).await.is_err()
    );
    assert_eq!(rows_in_ai(&app, &user).await, 0);
    app.core().execute_unprepared("SELECT 1").await.unwrap();
}
