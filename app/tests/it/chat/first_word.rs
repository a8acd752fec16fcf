//! What keeps the time to the first word in bounds, whatever the machine: how long it takes
//! is measured by `make bench` (`first`).

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};

/// An application whose models are both the scripted server.
async fn embedding_elsewhere(server: &ModelServer, deadline_ms: u32) -> TestApp {
    TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("CHAT_MODEL", "scripted")
        .env("EMBEDDING_PROVIDER", "openai")
        .env("EMBEDDING_MODEL", "scripted")
        .env("EMBEDDING_DIMENSIONS", 384)
        .env("TANDEM__CHAT__RETRIEVAL_DEADLINE_MS", deadline_ms)
        .start()
        .await
}

#[tokio::test]
async fn the_first_word_waits_for_a_slow_retrieval_no_longer_than_its_deadline() {
    let server = ModelServer::start().await;
    server.always_embeddings(Script::hang());
    let app = embedding_elsewhere(&server, 200).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let events = user.stream(&conversation, "What is beta?").await;
    let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(events[3].data["code"], "retrieval_timeout", "{names:?}");
    assert_eq!(events.last().unwrap().data["content"], "Scripted answer.");
}

#[tokio::test]
async fn what_can_go_on_side_by_side_before_the_first_word_does() {
    let server = ModelServer::start().await;
    let app = embedding_elsewhere(&server, 60_000).await;
    let user = app.user().await;
    // Known before, so that the first turn's question is on its way before the second is asked.
    app.state.spaces.active().await.unwrap();
    server.push_embeddings(Script::hang());
    let path = format!("/chat/conversations/{}/send", user.conversation().await);
    let body = json!({ "content": "What is beta?" });
    let mut stream = user.open(Method::POST, &path, Some(body), &[]).await;
    // The question is stored, logged and sent while its vector is waited for.
    let begun = tokio::time::timeout(Duration::from_secs(20), async {
        [stream.next().await.unwrap().event, stream.next().await.unwrap().event]
    });
    assert_eq!(begun.await.unwrap(), ["message_created", "start"]);
    drop(stream);

    // Documents and memories are searched with one vector.
    let conversation = user.conversation().await;
    user.ask(&conversation, "What is beta?").await.expect(200);
    let asked = server.requests();
    assert_eq!(asked.iter().filter(|request| request.path == "/v1/embeddings").count(), 2);
    assert_eq!(asked.iter().filter(|request| request.path == "/v1/chat/completions").count(), 1);
}
