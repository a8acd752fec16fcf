//! The turn belongs to the server.

use std::time::Duration;

use futures::StreamExt;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::json;

use super::{eventually, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};

#[tokio::test]
async fn a_client_that_leaves_mid_stream_finds_the_whole_answer() {
    let server = ModelServer::start().await;
    let words: Vec<String> = (0..20).map(|number| format!("word{number} ")).collect();
    server.push(Script::reply(words.clone()).every(Duration::from_millis(50)));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let base = app.serve().await;

    let response = reqwest::Client::builder()
        .build()
        .unwrap()
        .post(format!("{base}/api/v1/chat/conversations/{conversation}/send"))
        .bearer_auth(user.token.as_ref().unwrap())
        .json(&json!({ "content": "tell me" }))
        .send()
        .await
        .unwrap();
    let mut body = response.bytes_stream();
    let mut read = String::new();
    while !read.contains("event: token") {
        read.push_str(&String::from_utf8_lossy(&body.next().await.unwrap().unwrap()));
    }
    drop(body);

    let path = format!("/chat/conversations/{conversation}/messages");
    let whole = eventually(|| async {
        let stored = user.get(&path).await.expect(200);
        stored["items"][1]["status"] == "complete" && stored["items"][1]["content"] == words.concat()
    });
    assert!(whole.await, "{}", user.get(&path).await.body);
}

#[tokio::test]
async fn no_connection_is_held_while_the_model_thinks() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["finally"]).first_after(Duration::from_secs(2)));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let turn = {
        let (user, conversation) = (user.clone(), conversation.clone());
        tokio::spawn(async move { user.ask(&conversation, "think").await })
    };
    let asked = eventually(|| async {
        server.requests().iter().any(|request| request.path.ends_with("completions"))
    });
    assert!(asked.await, "the model was never asked");
    tokio::time::sleep(Duration::from_millis(200)).await;
    let mut samples = Vec::new();
    for _ in 0..20 {
        samples.push((app.core().pool_state().in_use(), app.state.ai.pool_state().in_use()));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(samples, vec![(0, 0); 20]);
    assert_eq!(turn.await.unwrap().expect(200)["content"], "finally");
}

#[tokio::test]
async fn an_idle_stream_sends_heartbeats() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["late"]).first_after(Duration::from_millis(2500)));
    let app = TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("TANDEM__CHAT__HEARTBEAT_S", 1)
        .start()
        .await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/send");
    let response = user.post(&path, json!({ "content": "wait" })).await;
    assert!(response.body.matches(": heartbeat").count() >= 2, "{}", response.body);
}

#[tokio::test]
async fn only_an_expired_lease_interrupts_a_turn() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    server.push(Script::reply(["Half ", "said"]).every(Duration::from_secs(3)));
    let turn = {
        let (user, conversation) = (user.clone(), conversation.clone());
        tokio::spawn(async move { user.ask(&conversation, "go").await })
    };
    let path = format!("/chat/conversations/{conversation}/messages");
    let started = eventually(|| async {
        let tokens = "SELECT 1 FROM message_events WHERE event = 'token'";
        let statement = Statement::from_string(DbBackend::Postgres, tokens);
        app.core().query_one_raw(statement).await.unwrap().is_some()
    });
    assert!(started.await, "nothing was sent");
    assert_eq!(tandem::chat::interrupt_expired(&app.state).await.unwrap(), 0, "its lease is alive");

    app.core()
        .execute_unprepared(
            "UPDATE messages SET lease_expires_at = now() - interval '1 second' WHERE status = 'streaming'",
        )
        .await
        .unwrap();
    assert_eq!(tandem::chat::interrupt_expired(&app.state).await.unwrap(), 1);
    // The turn still runs in its task, and may write nothing any more.
    turn.await.unwrap().expect_problem(503, "turn_interrupted");
    let stored = user.get(&path).await.expect(200);
    assert_eq!(stored["items"][1]["status"], "interrupted");
    // The space after it was held back: it could have begun a marker.
    assert_eq!(stored["items"][1]["content"], "Half");
}
