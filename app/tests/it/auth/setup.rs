//! The first administrator: a token from the log, once.

use entity::core::user::Role;
use sea_orm::ConnectionTrait;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tandem::auth::{self, NewUser};

use super::{PASSWORD, text};
use crate::support::TestApp;
use crate::support::response::TestResponse;

async fn token(app: &TestApp) -> Option<String> {
    auth::setup_token(&app.state).await.unwrap().map(|token| token.expose_secret().to_owned())
}

fn body(token: &str, email: &str) -> Value {
    json!({"token": token, "email": email, "password": PASSWORD})
}

async fn set_up(app: &TestApp, token: &str, email: &str) -> TestResponse {
    app.anonymous().post("/setup", body(token, email)).await
}

async fn execute(app: &TestApp, sql: &str) -> u64 {
    app.core().execute_unprepared(sql).await.unwrap().rows_affected()
}

async fn administrators(app: &TestApp) -> u64 {
    execute(app, "UPDATE users SET id = id WHERE role = 'admin'").await
}

#[tokio::test]
async fn the_token_makes_one_administrator_and_closes_the_setup_for_good() {
    let app = TestApp::with().env("REGISTRATION", "closed").start().await;
    let token = token(&app).await.expect("a token");
    set_up(&app, "guessed", "boss@example.com").await.expect_problem(401, "invalid_setup_token");
    let made = set_up(&app, &token, "Boss@example.com").await.expect(201);
    assert_eq!((&made["role"], &made["email"]), (&json!("admin"), &json!("boss@example.com")));
    let log_in = json!({"email": "boss@example.com", "password": PASSWORD});
    let tokens = app.anonymous().post("/auth/login", log_in).await.expect(200);
    let boss = app.anonymous().with_token(&text(&tokens, "access_token"));
    boss.get("/admin/users").await.expect(200);

    for path in ["/setup", "/api/v1/setup"] {
        let again = app.anonymous().post(path, body(&token, "second@example.com")).await;
        again.expect_problem(410, "setup_closed");
    }
    // Also when nobody administers any more.
    execute(&app, "DELETE FROM users").await;
    assert_eq!(self::token(&app).await, None);
    set_up(&app, &token, "second@example.com").await.expect_problem(410, "setup_closed");
    assert_eq!(administrators(&app).await, 0);
}

#[tokio::test]
async fn it_is_served_below_the_base_too_and_names_wrong_fields() {
    let app = TestApp::start().await;
    let token = token(&app).await.unwrap();
    for (field, change) in
        [("email", json!("nobody")), ("password", json!("short")), ("role", json!("admin"))]
    {
        let mut body = body(&token, "boss@example.com");
        body[field] = change;
        app.anonymous().post("/setup", body).await.expect_wrong_field(field);
    }
    app.anonymous().post("/api/v1/setup", body(&token, "boss@example.com")).await.expect(201);
}

#[tokio::test]
async fn eight_setups_at_once_on_two_replicas_make_one_administrator() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let token = token(&app).await.unwrap();
    let emails: Vec<String> = (0..8).map(|n| format!("{n}@example.com")).collect();
    // Nobody can be inserted until all of them have come as far as they get.
    let held = app.core().begin().await.unwrap();
    held.execute_unprepared("LOCK TABLE users IN SHARE MODE").await.unwrap();
    let core = app.core();
    let release = async {
        let waiting = "SELECT 1 FROM pg_stat_activity
                        WHERE datname = current_database() AND wait_event_type = 'Lock'";
        let all = crate::chat::eventually(|| async move {
            core.execute_unprepared(waiting).await.unwrap().rows_affected() == 8
        });
        assert!(all.await, "eight setups did not wait");
        held.commit().await.unwrap();
    };
    let parallel = emails.iter().enumerate().map(|(n, email)| set_up([&app, &other][n % 2], &token, email));
    let (answers, ()) = tokio::join!(futures::future::join_all(parallel), release);
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.expect_problem(410, "setup_closed");
    }
    assert_eq!(administrators(&app).await, 1);
    assert_eq!(execute(&app, "UPDATE users SET id = id").await, 1);
}

#[tokio::test]
async fn replicas_share_one_token_until_it_is_a_day_old() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let first = token(&app).await.unwrap();
    assert_eq!(token(&other).await, Some(first.clone()));
    // Nothing in the database is the token.
    let stored = format!("UPDATE settings s SET key = key WHERE s::text LIKE '%{first}%'");
    assert_eq!(execute(&app, &stored).await, 0);
    let age = |hours: u32| {
        format!(
            "UPDATE settings SET updated_at = now() - interval '{hours} hours' WHERE key = 'auth.setup_nonce'"
        )
    };
    execute(&app, &age(23)).await;
    assert_eq!(token(&app).await, Some(first.clone()));
    execute(&app, &age(24)).await;
    set_up(&app, &first, "a@example.com").await.expect_problem(401, "setup_token_expired");
    let second = token(&app).await.unwrap();
    assert_ne!(second, first);
    set_up(&app, &first, "a@example.com").await.expect_problem(401, "invalid_setup_token");
    set_up(&other, &second, "a@example.com").await.expect(201);
}

#[tokio::test]
async fn a_failed_setup_leaves_the_token_as_it_was() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let token = token(&app).await.unwrap();
    set_up(&app, &token, &user.email).await.expect_problem(409, "email_taken");
    set_up(&app, &token, "boss@example.com").await.expect(201);
}

#[tokio::test]
async fn an_administrator_made_otherwise_ends_the_setup() {
    let app = TestApp::start().await;
    let before = token(&app).await.unwrap();
    let new = NewUser {
        email: "boss@example.com".to_owned(),
        password: PASSWORD.into(),
        full_name: None,
        role: Role::Admin,
    };
    auth::create_user(app.core(), new).await.unwrap();
    execute(&app, "DELETE FROM users").await;
    set_up(&app, &before, "second@example.com").await.expect_problem(410, "setup_closed");

    // Even in SQL.
    let app = TestApp::start().await;
    let user = app.user().await;
    let before = token(&app).await.unwrap();
    execute(&app, &format!("UPDATE users SET role = 'admin' WHERE id = '{}'", user.id)).await;
    set_up(&app, &before, "second@example.com").await.expect_problem(410, "setup_closed");
    assert_eq!(token(&app).await, None);
    execute(&app, "DELETE FROM users").await;
    set_up(&app, &before, "second@example.com").await.expect_problem(410, "setup_closed");
}

#[tokio::test]
async fn guessing_at_the_token_is_throttled_by_address() {
    let app = TestApp::with().env("TANDEM__AUTH__LOGIN_FAILURES", 3).start().await;
    let token = token(&app).await.unwrap();
    for _ in 0..3 {
        set_up(&app, "guessed", "boss@example.com").await.expect_problem(401, "invalid_setup_token");
    }
    let refused = set_up(&app, &token, "boss@example.com").await;
    assert!(refused.headers.contains_key("retry-after"));
    refused.expect_problem(429, "too_many_attempts");
    let elsewhere = app.anonymous().at("192.0.2.7");
    elsewhere.post("/setup", body(&token, "boss@example.com")).await.expect(201);
}
