//! Every call of the face is reserved before, settled after, and in the ledger.

use axum::http::header;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use super::responses::{RESPONSES, asking, with};
use super::streamed;
use crate::chat::eventually;
use crate::support::TestApp;
use crate::support::app::Options;
use crate::support::model::{End, ModelServer, Script};
use crate::support::user::TestUser;

fn options(server: &ModelServer) -> Options {
    TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("CHAT_MODEL", "gpt-4o-mini-scripted")
        .env("TANDEM__MODELS__RETRIES", 0)
}

fn completion() -> Value {
    json!({ "model": "gpt-4o-mini-scripted", "messages": [{ "role": "user", "content": "What is beta?" }] })
}

fn response() -> Value {
    with(asking("What is beta?"), "model", json!("gpt-4o-mini-scripted"))
}

/// The one month: used messages, used tokens, what is reserved of both.
async fn month(app: &TestApp) -> [i64; 4] {
    let sql = "SELECT coalesce(sum(used_messages), 0)::int8, coalesce(sum(used_tokens), 0)::int8,
                      coalesce(sum(reserved_messages), 0)::int8, coalesce(sum(reserved_tokens), 0)::int8 FROM usage_months";
    let row =
        app.core().query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    [0, 1, 2, 3].map(|at| row.try_get_by_index(at).unwrap())
}

async fn records(app: &TestApp) -> i64 {
    let sql = "SELECT count(*) FROM usage_records";
    let row =
        app.core().query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn refused(user: &TestUser, path: &str, body: Value, measure: &str) {
    let answer = user.post(path, body).await;
    assert!(answer.headers.get(header::RETRY_AFTER).is_some(), "{}", answer.body);
    let error = serde_json::from_str::<Value>(&answer.body).unwrap()["error"].clone();
    assert_eq!(
        (&error["type"], &error["quota"]["measure"]),
        (&json!("insufficient_quota"), &json!(measure)),
        "{error}"
    );
    assert!(error["quota"]["limit"].is_number() && error["quota"]["used"].is_number(), "{error}");
    answer.expect_refusal(429, "quota_exceeded");
}

#[tokio::test]
async fn every_answer_counts_however_it_is_asked_for() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["fine"]).usage(10, 5));
    let app = options(&server).env("TANDEM__QUOTA__MONTHLY_MESSAGES", 5).start().await;
    let user = app.user().await;
    user.post("/v1/chat/completions", completion()).await.expect(200);
    streamed(&user, "/v1/chat/completions", completion()).await;
    user.post(RESPONSES, response()).await.expect(200);
    streamed(&user, RESPONSES, response()).await;
    user.post(RESPONSES, with(response(), "store", json!(false))).await.expect(200);
    assert_eq!(month(&app).await, [5, 75, 0, 0]);
    assert_eq!(records(&app).await, 5);
    for (path, body) in [
        ("/v1/chat/completions", completion()),
        (RESPONSES, response()),
        (RESPONSES, with(response(), "store", json!(false))),
    ] {
        refused(&user, path, body, "messages").await;
    }
    assert_eq!(server.requests().len(), 5, "a refused question costs nothing");
}

#[tokio::test]
async fn fifty_at_once_pass_no_quota_of_tokens() {
    for (path, body) in [("/v1/chat/completions", completion()), (RESPONSES, response())] {
        let server = ModelServer::start().await;
        let slow = std::time::Duration::from_millis(50);
        server.always(Script::reply(["fine"]).usage(1000, 500).first_after(slow));
        let app = options(&server)
            .env("TANDEM__QUOTA__MONTHLY_TOKENS", 12_000)
            .env("TANDEM__QUOTA__ANSWER_TOKENS", 500)
            .start()
            .await;
        let user = app.user().await;
        let asked = (0..50).map(async |_| i64::from(user.post(path, body.clone()).await.status == 200));
        let answered: i64 = futures::future::join_all(asked).await.into_iter().sum();
        assert!((1..=8).contains(&answered), "{answered} answers");
        assert_eq!(month(&app).await, [answered, answered * 1500, 0, 0]);
        assert!(server.requests().iter().all(|asked| asked.body["max_tokens"] == 500));
    }
}

#[tokio::test]
async fn what_failed_or_was_left_is_settled_too() {
    let server = ModelServer::start().await;
    let app = options(&server).env("TANDEM__QUOTA__MONTHLY_TOKENS", 100_000).start().await;
    let user = app.user().await;
    server.push(Script::status(500));
    user.post("/v1/chat/completions", completion()).await.expect(502);
    assert_eq!(month(&app).await, [0, 0, 0, 0]);
    // Half an answer was used all the same: it is estimated.
    server.push(Script::reply(["Beta is "]).end(End::Cut));
    user.post("/v1/chat/completions", completion()).await.expect(502);
    let [messages, tokens, ..] = month(&app).await;
    assert!(messages == 0 && tokens > 0, "{tokens}");
    // A client that leaves stops the answer, and pays for what there was.
    server.push(Script::reply(["Beta is "]).end(End::Hang));
    let body = with(completion(), "stream", json!(true));
    let mut stream = user.open(axum::http::Method::POST, "/v1/chat/completions", Some(body), &[]).await;
    let left = tokio::time::timeout(std::time::Duration::from_secs(1), stream.next()).await;
    assert!(left.is_err(), "its events have no names");
    assert!(month(&app).await[3] > 0, "reserved while it runs");
    drop(stream);
    assert!(eventually(async || month(&app).await[2..] == [0, 0]).await);
    let [messages, more, ..] = month(&app).await;
    assert!(messages == 1 && more > tokens, "{messages} {more}");
}

/// A process that dies settles nothing; a call that is no message has no lease that would say so.
#[tokio::test]
async fn what_a_dead_process_reserved_for_an_unstored_answer_comes_back() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Beta is "]).end(End::Hang));
    let app = options(&server).env("TANDEM__QUOTA__MONTHLY_TOKENS", 100_000).start().await;
    let user = app.user().await;
    let asking = tokio::spawn({
        let user = user.clone();
        async move { user.post("/v1/chat/completions", completion()).await }
    });
    assert!(eventually(async || server.requests().len() == 1).await);
    assert_eq!(tandem::usage::refund_lost(app.core()).await.unwrap(), 0, "it runs");
    let past = "UPDATE usage_reservations SET expires_at = now() - interval '1 second'";
    app.core().execute_unprepared(past).await.unwrap();
    assert_eq!(tandem::usage::refund_lost(app.core()).await.unwrap(), 1);
    assert_eq!(month(&app).await[2..], [0, 0]);
    asking.abort();
}

#[tokio::test]
async fn embeddings_are_paid_from_the_same_month_and_are_no_message() {
    let server = ModelServer::start().await;
    server.always(Script::reply(["fine"]).usage(10, 5));
    let app = options(&server)
        .env("EMBEDDING_PROVIDER", "openai")
        .env("EMBEDDING_MODEL", "text-embedding-3-small")
        .env("EMBEDDING_DIMENSIONS", 384)
        .env("TANDEM__QUOTA__MONTHLY_TOKENS", 20)
        .env("TANDEM__QUOTA__MONTHLY_MESSAGES", 1)
        .start()
        .await;
    let user = app.user().await;
    let body = |texts: usize| json!({ "model": "text-embedding-3-small", "input": vec!["beta"; texts] });
    let made = user.post("/v1/embeddings", body(3)).await.expect(200);
    assert_eq!(made["usage"]["total_tokens"], 3);
    assert_eq!(month(&app).await, [0, 3, 0, 0]);
    refused(&user, "/v1/embeddings", body(50), "tokens").await;
    server.push_embeddings(Script::status(500));
    user.post("/v1/embeddings", body(3)).await.expect(502);
    assert_eq!(month(&app).await, [0, 3, 0, 0]);
    user.post("/v1/embeddings", body(2)).await.expect(200);
    assert_eq!(month(&app).await, [0, 5, 0, 0]);
}
