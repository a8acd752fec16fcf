//! A replica that is stopped for longer than its leases and wakes again.

use std::time::Duration;

use nix::sys::signal::Signal;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use super::{Serving, run};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::postgres::{self, Layout};

/// Waits for something that other processes do; half a minute at most.
async fn until<F: Future<Output = bool>>(what: &str, mut check: impl FnMut() -> F) {
    for _ in 0..600 {
        if check().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not within half a minute: {what}");
}

async fn value(connection: &impl ConnectionTrait, sql: &str) -> Value {
    let sql = format!("SELECT to_jsonb(it) AS it FROM ({sql}) AS it");
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    row.map_or(Value::Null, |row| row.try_get("", "it").unwrap())
}

async fn start(env: &tandem::config::Env) -> Serving {
    let env = env.clone();
    tokio::task::spawn_blocking(move || Serving::start(&env)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_wakes_after_its_lease_writes_nothing_of_its_turn() {
    let server = ModelServer::start().await;
    let words: Vec<String> = (0..40).map(|number| format!("word{number} ")).collect();
    server.push(Script::reply(words).every(Duration::from_millis(250)));
    let app = TestApp::start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let mut env = app.urls.env();
    env.insert("OPENAI_BASE_URL".into(), server.url().to_string());
    env.insert("TANDEM__CHAT__LEASE_S".into(), "3".into());
    let sleeper = start(&env).await;
    let request = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{}/api/v1/chat/conversations/{conversation}/send", sleeper.base))
        .bearer_auth(user.token.as_ref().unwrap())
        .json(&json!({ "content": "Tell me." }));
    let client = tokio::spawn(async move { request.send().await.map(|response| response.status()) });
    let tokens = "SELECT count(*) AS n FROM message_events WHERE event = 'token'";
    until("the answer began", || async { value(app.core(), tokens).await["n"].as_i64().unwrap() > 2 }).await;
    sleeper.signal(Signal::SIGSTOP);

    let other = start(&env).await;
    let answer =
        "SELECT status, content, m.xmin::text AS version,
                (SELECT count(*) FROM message_events) AS events, (SELECT count(*) FROM citations) AS citations,
                (SELECT count(*) FROM messages) AS messages, (SELECT string_agg(xmin::text, ' ') FROM conversations) AS conversations
           FROM messages m WHERE role = 'assistant'";
    until("the turn was given up", || async { value(app.core(), answer).await["status"] == "interrupted" })
        .await;
    let before = value(app.core(), answer).await;
    assert!(before["content"].as_str().unwrap().starts_with("word0"), "{before}");
    sleeper.signal(Signal::SIGCONT);
    until("it noticed", || async { sleeper.said("lease was lost") || sleeper.said("the turn failed") }).await;
    assert_eq!(value(app.core(), answer).await, before);
    drop((sleeper, other));
    client.await.unwrap().ok();
    assert_eq!(value(app.core(), answer).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_wakes_after_its_lease_writes_nothing_of_its_ingestion() {
    let server = ModelServer::start().await;
    server.push_embeddings(Script::reply([""; 0]).first_after(Duration::from_secs(2)));
    let urls = postgres::empty(Layout::Dual).await;
    let mut env = urls.env();
    for (name, value) in [
        ("EMBEDDING_PROVIDER", "openai"),
        ("EMBEDDING_MODEL", "text-embedding-3-small"),
        ("EMBEDDING_DIMENSIONS", "64"),
        ("OPENAI_BASE_URL", server.url().as_str()),
        ("TANDEM__JOBS__LEASE_S", "2"),
    ] {
        env.insert(name.to_owned(), value.to_owned());
    }
    let sleeper = start(&env).await;
    let token = {
        let env = env.clone();
        let make = move || {
            run(&env, &["user", "create", "someone@example.com"]);
            run(&env, &["token", "someone@example.com"]).trim().to_owned()
        };
        tokio::task::spawn_blocking(make).await.unwrap()
    };
    let sent = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{}/api/v1/knowledge/sources", sleeper.base))
        .bearer_auth(token)
        .json(&json!({ "title": "T", "text": "Gold is a precious metal." }))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status(), 202);
    until("the texts were being embedded", || async { !server.requests().is_empty() }).await;
    sleeper.signal(Signal::SIGSTOP);

    let other = start(&env).await;
    let ai = postgres::operator(urls.ai.as_ref().unwrap());
    let source = "SELECT status, documents, s.updated_at, s.xmin::text AS version,
                         (SELECT string_agg(d.xmin::text, ',') FROM ai_kb_documents d) AS passages
                    FROM ai_kb_sources s";
    until("another took over", || async { value(&ai, source).await["status"] == "ready" }).await;
    let before = value(&ai, source).await;
    assert_eq!(before["documents"], 1);
    sleeper.signal(Signal::SIGCONT);
    until("it noticed", || async { sleeper.said("job failed") }).await;
    assert_eq!(value(&ai, source).await, before);
    drop(other);
    sleeper.stop();
    assert_eq!(value(&ai, source).await, before);
}
