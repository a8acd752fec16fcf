//! One turn as a client sees it.

use std::time::Duration;

use axum::http::Method;
use serde_json::json;

use super::{FOUR, eventually, learn, with_model};
use crate::support::TestApp;
use crate::support::model::{End, ModelServer, Script};
use crate::support::response::joined;

#[tokio::test]
async fn events_come_in_order_and_are_numbered() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Beta ", "measures ", "market moves [1]."]).usage(50, 7));
    let app = with_model(&server).await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let conversation = user.conversation().await;

    let events = user.stream(&conversation, "What does market beta measure?").await;

    let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    assert_eq!(names[..3], ["message_created", "start", "context"], "{names:?}");
    assert_eq!(*names.last().unwrap(), "done");
    let ids: Vec<i64> = events.iter().map(|event| event.id).collect();
    assert_eq!(ids, (1..=i64::try_from(events.len()).unwrap()).collect::<Vec<_>>());
    assert_eq!(events[1].data, json!({ "mode": "model", "model": "scripted" }));
    assert_eq!(events[2].data["documents"].as_array().unwrap().len(), 4);
    assert_eq!(joined(&events), "Beta measures market moves [1].");
    let done = &events.last().unwrap().data;
    assert_eq!(done["content"], "Beta measures market moves [1].");
    assert_eq!(done["usage"], json!({ "prompt_tokens": 50, "completion_tokens": 7, "total_tokens": 57 }));
    let citation = events.iter().find(|event| event.event == "citation").unwrap();
    assert_eq!(citation.data["index"], 1);
}

#[tokio::test]
async fn json_mode_answers_whole_and_history_is_kept() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["First answer."]).usage(1, 2));
    server.push(Script::reply(["Second answer."]));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;

    let first = user.ask(&conversation, "first question").await.expect(200);
    assert_eq!(first["content"], "First answer.");
    assert_eq!(first["usage"]["total_tokens"], 3);
    assert!(first["latency_ms"].as_i64().unwrap() >= 0);
    let second = user.ask(&conversation, "second question").await.expect(200);
    assert_eq!(second["usage"], serde_json::Value::Null);

    let asked = server.requests();
    let messages = asked.last().unwrap().messages();
    let said: Vec<&str> = messages.iter().skip(1).map(|(_, content)| content.as_str()).collect();
    assert_eq!(said, ["first question", "First answer.", "second question"]);

    let path = format!("/chat/conversations/{conversation}/messages");
    let stored = user.get(&path).await.expect(200);
    let roles: Vec<_> = stored["items"].as_array().unwrap().iter().map(|item| item["role"].clone()).collect();
    assert_eq!(roles, ["user", "assistant", "user", "assistant"]);
    assert_eq!(stored["items"][1]["id"], first["assistant_message_id"]);
    assert_eq!(stored["items"][2]["parent_id"], first["assistant_message_id"]);
}

#[tokio::test]
async fn both_forms_of_send_work() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    let headers = [("accept", "application/json")];
    let body = json!({ "text": "hello" });
    let made = user.request(Method::POST, "/chat/send", Some(body), &headers).await.expect(200);
    assert_eq!(made["content"], "Scripted answer.");
    let conversation = user.conversation().await;
    let body =
        json!({ "conversation_id": conversation, "text": "hello", "ui_context": { "route": "/risk" } });
    user.request(Method::POST, "/chat/send", Some(body), &headers).await.expect(200);
    let listed = user.get(&format!("/chat/conversations/{conversation}")).await.expect(200);
    assert_eq!(listed["metadata"]["ui_context"]["route"], "/risk");
}

#[tokio::test]
async fn a_second_send_is_refused_while_one_runs() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["late"]).first_after(Duration::from_secs(2)));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let (first, second) = tokio::join!(user.ask(&conversation, "one"), async {
        let asked = eventually(|| async { !server.requests().is_empty() });
        assert!(asked.await, "the model was never asked");
        user.ask(&conversation, "two").await
    });
    let first = first.expect(200);
    let problem = second.expect_problem(409, "turn_in_progress");
    assert_eq!(problem["id"], first["assistant_message_id"]);
    user.ask(&conversation, "three").await.expect(200);
}

#[tokio::test]
async fn a_failing_provider_is_a_clear_error_and_keeps_what_came() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Half an ", "answer"]).end(End::Cut));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let events = user.stream(&conversation, "question").await;
    let last = events.last().unwrap();
    assert_eq!(last.event, "error");
    assert_eq!(last.data["code"], "provider_stream_cut");
    let path = format!("/chat/conversations/{conversation}/messages");
    let stored = user.get(&path).await.expect(200);
    assert_eq!(stored["items"][1]["status"], "failed");
    assert_eq!(stored["items"][1]["content"], "Half an answer");

    server.push(Script::status(401));
    user.ask(&conversation, "again").await.expect_problem(502, "turn_failed");
    // What failed is not told to the model as if it had been said.
    user.ask(&conversation, "third").await.expect(200);
    let messages = server.requests().last().unwrap().messages();
    assert!(messages.iter().all(|(_, content)| content != "Half an answer"), "{messages:?}");
}

#[tokio::test]
async fn wrong_requests_name_the_field() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/send");
    user.post(&path, json!({ "content": "  " })).await.expect_wrong_field("content");
    user.post(&path, json!({ "content": "x".repeat(32_001) })).await.expect_wrong_field("content");
    user.post(&path, json!({ "content": "x", "model": "y" })).await.expect_wrong_field("model");
    user.post(&path, json!({ "content": "a\u{0}b" })).await.expect_wrong_field("content");
    let foreign = uuid::Uuid::now_v7();
    user.post(&path, json!({ "content": "x", "parent_id": foreign })).await.expect_wrong_field("parent_id");
    let other = app.user().await;
    other.post(&path, json!({ "content": "x" })).await.expect_problem(404, "not_found");
}
