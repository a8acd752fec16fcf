//! A turn is cancelled from any replica, and what it said is kept.

use std::time::{Duration, Instant};

use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};

use super::resume::{attach, begin, stored};
use super::{eventually, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::response::{EventStream, SseEvent, joined};
use crate::support::user::TestUser;

/// A turn that would go on for an hour, after its first word.
async fn endless(server: &ModelServer, user: &TestUser) -> (EventStream, Vec<SseEvent>, String) {
    server.push(Script::reply(["Half ", "said"]).every(Duration::from_hours(1)));
    let (mut stream, first, id) = begin(user).await;
    let mut events = vec![first];
    while events.last().unwrap().event != "token" {
        events.push(stream.next().await.unwrap());
    }
    (stream, events, id)
}

async fn cancel(user: &TestUser, id: &str) -> (u16, Value) {
    let answer = user.request(Method::POST, &format!("/chat/messages/{id}/cancel"), None, &[]).await;
    let status = answer.status;
    (status, answer.expect(status))
}

fn assert_cancelled(message: &Value, text: &str) {
    assert_eq!((message["status"].as_str(), message["content"].as_str()), (Some("cancelled"), Some(text)));
}

/// The stream ends as one that was cancelled, with all that was stored.
async fn ends_cancelled(stream: EventStream, mut events: Vec<SseEvent>, text: &str) -> Vec<SseEvent> {
    events.extend(stream.rest().await);
    let last = events.last().unwrap();
    assert_eq!((last.event.as_str(), &last.data["cancelled"]), ("done", &json!(true)), "{events:?}");
    assert_eq!(last.data["content"], text);
    assert_eq!(joined(&events), text);
    events
}

#[tokio::test]
async fn a_turn_is_cancelled_from_another_replica_at_once() {
    let server = ModelServer::start().await;
    let writer = with_model(&server).await;
    let other = writer.replica().await;
    writer.hear();
    let user = writer.user().await;
    let (stream, events, id) = endless(&server, &user).await;
    let asked_at = Instant::now();
    let (status, message) = cancel(&other.at(&user), &id).await;
    assert_eq!(status, 200, "{message}");
    assert!(asked_at.elapsed() < Duration::from_millis(1500), "{:?}", asked_at.elapsed());
    assert_cancelled(&message, "Half");
    let events = ends_cancelled(stream, events, "Half").await;
    // Everybody who follows hears the same, once.
    assert_eq!(attach(&other.at(&user), &id, 0).await.rest().await, events);

    // Again, from anywhere: nothing changes.
    for replica in [&user, &other.at(&user)] {
        assert_eq!(cancel(replica, &id).await, (200, message.clone()));
    }
    // What was not said whole is not told to the model, and the conversation is free.
    let conversation = events[0].data["conversation_id"].as_str().unwrap();
    assert_eq!(user.ask(conversation, "again").await.expect(200)["content"], "Scripted answer.");
    let told = server.requests().last().unwrap().messages();
    assert!(told.iter().all(|(role, _)| role != "assistant"), "{told:?}");
}

#[tokio::test]
async fn a_cancellation_whose_word_is_lost_is_learned_with_the_lease() {
    let server = ModelServer::start().await;
    let writer = TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("CHAT_MODEL", "scripted")
        .env("TANDEM__CHAT__LEASE_S", 9)
        .start()
        .await;
    let other = writer.replica().await;
    let user = writer.user().await;
    let (stream, events, id) = endless(&server, &user).await;
    let (status, message) = cancel(&other.at(&user), &id).await;
    assert!(status == 202 && message["status"] == "streaming" || status == 200, "{status} {message}");
    let asked_at = Instant::now();
    let events = ends_cancelled(stream, events, "Half").await;
    assert!(asked_at.elapsed() < Duration::from_secs(5), "{:?}", asked_at.elapsed());
    assert_cancelled(&stored(&user, &events[0]).await, "Half");
}

#[tokio::test]
async fn a_turn_is_cancelled_before_its_first_word() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    server.push(Script::hang());
    let (stream, first, id) = begin(&user).await;
    assert!(eventually(|| async { !server.requests().is_empty() }).await);
    let (status, message) = cancel(&user, &id).await;
    assert_eq!(status, 200, "{message}");
    assert_cancelled(&message, "");
    let events = ends_cancelled(stream, vec![first], "").await;
    assert_eq!(
        events.iter().map(|event| event.id).collect::<Vec<_>>(),
        (1..).take(events.len()).collect::<Vec<_>>()
    );
}

#[tokio::test]
async fn a_turn_that_nobody_writes_any_more_is_cancelled_at_once() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let other = app.replica().await;
    let user = app.user().await;
    let (_stream, events, id) = endless(&server, &user).await;
    let expire =
        "UPDATE messages SET lease_expires_at = now() - interval '1 second' WHERE status = 'streaming'";
    app.core().execute_unprepared(expire).await.unwrap();
    let (status, message) = cancel(&other.at(&user), &id).await;
    assert_eq!(status, 200);
    assert_cancelled(&message, "Half");
    let rest = attach(&other.at(&user), &id, events.last().unwrap().id).await;
    ends_cancelled(rest, events, "Half").await;
    assert_eq!(tandem::chat::interrupt_expired(&app.state).await.unwrap(), 0);
}

#[tokio::test]
async fn who_waits_for_the_whole_answer_gets_what_was_said() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["Half ", "said"]).every(Duration::from_hours(1)));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/send");
    let headers = [("accept", "application/json"), ("idempotency-key", "once")];
    let body = Some(json!({ "content": "go" }));
    let asked = user.request(Method::POST, &path, body.clone(), &headers);
    let cancelled = async {
        let messages = format!("/chat/conversations/{conversation}/messages");
        let found =
            eventually(|| async { user.get(&messages).await.expect(200)["items"][1]["id"].is_string() });
        assert!(found.await);
        let listed = user.get(&messages).await.expect(200);
        let id = listed["items"][1]["id"].as_str().unwrap();
        let mut replay = attach(&user, id, 0).await;
        while replay.next().await.unwrap().event != "token" {}
        cancel(&user, id).await
    };
    let (answer, (status, message)) = tokio::join!(asked, cancelled);
    let answer = answer.expect(200);
    assert_eq!((status, answer["content"].as_str()), (200, Some("Half")));
    assert_cancelled(&message, "Half");
    let again = user.request(Method::POST, &path, body, &headers).await.expect(200);
    assert_eq!(again, answer);
}

#[tokio::test]
async fn cancelling_what_has_ended_changes_nothing() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let conversation = user.conversation().await;
    let answer = user.ask(&conversation, "What is beta?").await.expect(200);
    let id = answer["assistant_message_id"].as_str().unwrap();
    let (status, message) = cancel(&user, id).await;
    assert_eq!((status, message["status"].as_str()), (200, Some("complete")));
    assert_eq!(message["content"], answer["content"]);
    assert_eq!(cancel(&stranger, id).await.0, 404);
}
