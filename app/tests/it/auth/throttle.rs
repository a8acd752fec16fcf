//! Guessing passwords: how often, from where, for whom.

use axum::http::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;

use super::{PASSWORD, register};
use crate::support::TestApp;
use crate::support::app::Options;
use crate::support::response::TestResponse;

const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "198.51.100.1";

fn limits(pair: u32, address: u32, account: u32) -> Options {
    TestApp::with()
        .env("TANDEM__AUTH__LOGIN_FAILURES", pair)
        .env("TANDEM__AUTH__LOGIN_FAILURES_PER_ADDRESS", address)
        .env("TANDEM__AUTH__LOGIN_FAILURES_PER_ACCOUNT", account)
}

async fn log_in(app: &TestApp, address: &str, email: &str, password: &str) -> TestResponse {
    let body = json!({"email": email, "password": password});
    app.anonymous().at(address).post("/auth/login", body).await
}

/// Wrong passwords that are still answered.
async fn fail(app: &TestApp, address: &str, email: &str, times: usize) {
    for _ in 0..times {
        log_in(app, address, email, "wrong password").await.expect_problem(401, "invalid_credentials");
    }
}

async fn refused(app: &TestApp, address: &str, email: &str) {
    log_in(app, address, email, PASSWORD).await.expect_problem(429, "too_many_attempts");
}

async fn execute(app: &TestApp, sql: &str) -> u64 {
    app.core().execute_unprepared(sql).await.unwrap().rows_affected()
}

#[tokio::test]
async fn ten_wrong_passwords_and_no_more_from_there() {
    let app = TestApp::start().await;
    let (_, email) = register(&app).await;
    let (_, other) = register(&app).await;
    fail(&app, HOME, &email, 10).await;
    // The right one too, and in any spelling of the address: or the limit would be none.
    let answer = log_in(&app, HOME, &email.to_uppercase(), PASSWORD).await;
    let retry_after: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=900).contains(&retry_after), "{retry_after}");
    answer.expect_problem(429, "too_many_attempts");
    // The owner, elsewhere, and other accounts, here, are not locked out.
    log_in(&app, ELSEWHERE, &email, PASSWORD).await.expect(200);
    log_in(&app, HOME, &other, PASSWORD).await.expect(200);
    // An account that does not exist is treated alike.
    fail(&app, HOME, "nobody@example.com", 10).await;
    refused(&app, HOME, "nobody@example.com").await;
}

#[tokio::test]
async fn a_success_forgets_the_failures_before_it() {
    let app = limits(3, 5, 100).start().await;
    let (_, email) = register(&app).await;
    for _ in 0..2 {
        fail(&app, HOME, &email, 2).await;
        log_in(&app, HOME, &email, PASSWORD).await.expect(200);
    }
    // But only its own: an account of one's own does not open the door to others'.
    fail(&app, HOME, "another@example.com", 1).await;
    log_in(&app, HOME, &email, PASSWORD).await.expect_problem(429, "too_many_attempts");
}

#[tokio::test]
async fn one_address_has_so_many_failures_for_all_accounts() {
    let app = limits(3, 6, 100).start().await;
    let (_, email) = register(&app).await;
    fail(&app, HOME, "a@example.com", 3).await;
    fail(&app, HOME, "b@example.com", 3).await;
    refused(&app, HOME, &email).await;
    log_in(&app, ELSEWHERE, &email, PASSWORD).await.expect(200);
}

#[tokio::test]
async fn one_account_has_so_many_failures_from_everywhere() {
    let app = limits(2, 100, 6).start().await;
    let (_, email) = register(&app).await;
    // What is refused counts nowhere: one address cannot use up the account's.
    fail(&app, HOME, &email, 2).await;
    for _ in 0..10 {
        refused(&app, HOME, &email).await;
    }
    log_in(&app, "192.0.2.2", &email, PASSWORD).await.expect(200);
    fail(&app, "192.0.2.3", &email, 2).await;
    fail(&app, "192.0.2.4", &email, 2).await;
    refused(&app, "192.0.2.5", &email).await;
}

#[tokio::test]
async fn thirty_guesses_at_once_on_two_replicas_are_ten_guesses() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let (_, email) = register(&app).await;
    let parallel = (0..30).map(|n| log_in([&app, &other][n % 2], HOME, &email, "wrong password"));
    let answers = futures::future::join_all(parallel).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 10);
    assert_eq!(answers.iter().filter(|answer| answer.status == 429).count(), 20);
}

/// More at once than may fail: they wait for each other instead of being refused.
#[tokio::test]
async fn twenty_right_passwords_at_once_on_two_replicas_are_all_let_in() {
    let app = limits(2, 1000, 1000).start().await;
    let other = app.replica().await;
    let (_, email) = register(&app).await;
    let parallel = (0..20).map(|n| log_in([&app, &other][n % 2], HOME, &email, PASSWORD));
    for answer in futures::future::join_all(parallel).await {
        answer.expect(200);
    }
    let counted = "UPDATE login_failures SET key = key WHERE failures > 0 OR pending > 0";
    assert_eq!(execute(&app, counted).await, 0);
}

#[tokio::test]
async fn the_window_ends_and_its_counts_are_swept() {
    let app = limits(10, 1000, 1000).start().await;
    let (_, email) = register(&app).await;
    fail(&app, HOME, &email, 10).await;
    let written = "SELECT 1 FROM login_failures WHERE failures = 10 AND pending = 0";
    assert_eq!(execute(&app, written).await, 3);
    refused(&app, HOME, &email).await;
    execute(&app, "UPDATE login_failures SET window_ends_at = now()").await;
    log_in(&app, HOME, &email, PASSWORD).await.expect(200);
    fail(&app, HOME, &email, 1).await;
    let rows = execute(&app, "UPDATE login_failures SET window_ends_at = now()").await;
    assert_eq!(rows, 3);
    assert_eq!(tandem::auth::delete_expired(app.core()).await.unwrap(), 3);
}

#[tokio::test]
async fn neither_accounts_nor_addresses_are_kept() {
    let app = TestApp::start().await;
    fail(&app, HOME, "ada@example.com", 1).await;
    let sql = "SELECT string_agg(encode(key, 'escape') || f::text, ' ') FROM login_failures AS f";
    let row = app.core().query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    let kept: String = row.unwrap().try_get_by_index(0).unwrap();
    assert!(!kept.contains("example") && !kept.contains("192.0.2"), "{kept}");
}

#[tokio::test]
async fn neighbours_in_an_ipv6_network_are_one_address() {
    let app = TestApp::start().await;
    fail(&app, "2001:db8:1:2::1", "a@example.com", 10).await;
    refused(&app, "2001:db8:1:2:ffff::9", "a@example.com").await;
    fail(&app, "2001:db8:1:3::1", "a@example.com", 1).await;
}

#[tokio::test]
async fn a_forwarded_address_counts_only_from_a_trusted_proxy() {
    async fn fail_as(app: &TestApp, peer: &str, forwarded: &str) -> TestResponse {
        let body = json!({"email": "a@example.com", "password": "wrong password"});
        let headers = [("x-forwarded-for", forwarded)];
        app.anonymous().at(peer).request(Method::POST, "/auth/login", Some(body), &headers).await
    }
    let app = limits(3, 1000, 1000).env("TRUSTED_PROXIES", "10.0.0.0/8").start().await;
    // Through the proxy each client counts apart, whatever it claims to be.
    for n in 0..3 {
        fail_as(&app, "10.0.0.1", &format!("203.0.113.{n}, 192.0.2.1")).await.expect(401);
    }
    fail_as(&app, "10.0.0.1", "192.0.2.1").await.expect(429);
    fail_as(&app, "10.0.0.1", "192.0.2.2").await.expect(401);
    // Past it, nobody is believed.
    for n in 0..3 {
        fail_as(&app, ELSEWHERE, &format!("203.0.113.{n}")).await.expect(401);
    }
    fail_as(&app, ELSEWHERE, "203.0.113.9").await.expect(429);

    let app = limits(3, 1000, 1000).start().await;
    for n in 0..3 {
        fail_as(&app, "127.0.0.1", &format!("203.0.113.{n}")).await.expect(401);
    }
    fail_as(&app, "127.0.0.1", "203.0.113.9").await.expect(429);
}

#[tokio::test]
async fn nothing_but_logging_in_is_throttled() {
    let app = limits(1, 1, 1).start().await;
    let user = app.user().await;
    for _ in 0..20 {
        app.anonymous().get("/auth/me").await.expect(401);
        app.anonymous().post("/auth/refresh", json!({"refresh_token": "x"})).await.expect(401);
        user.get("/chat/conversations").await.expect(200);
    }
}
