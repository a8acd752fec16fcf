//! The same request under the same key is done once.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request};
use futures::future::join_all;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::chat::{eventually, with_model};
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::response::TestResponse;
use crate::support::user::TestUser;

const JSON: (&str, &str) = ("accept", "application/json");

async fn post(user: &TestUser, path: &str, key: &str, body: Value) -> TestResponse {
    user.request(Method::POST, path, Some(body), &[("idempotency-key", key)]).await
}

fn is_replayed(response: &TestResponse) -> bool {
    response.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

async fn count(app: &TestApp, sql: &str) -> i64 {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = app.core().query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

async fn keys(app: &TestApp) -> i64 {
    count(app, "SELECT count(*) FROM idempotency_keys").await
}

#[tokio::test]
async fn a_repetition_gets_the_first_answer_and_does_nothing() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let source = json!({ "title": "One", "text": "A text about bonds." });
    for (path, body, status) in [
        ("/chat/conversations", json!({ "title": "Once" }), 201),
        ("/memories", json!({ "content": "I like bonds." }), 201),
        ("/memories/batch", json!({ "items": [{ "content": "I like shares." }] }), 200),
        ("/knowledge/sources", source.clone(), 202),
        ("/knowledge/sources/batch", json!({ "items": [source] }), 202),
    ] {
        let first = post(&user, path, "key-1", body.clone()).await;
        assert!(!is_replayed(&first), "{path}");
        let again = post(&user, path, "key-1", body.clone()).await;
        assert!(is_replayed(&again), "{path}: {}", again.body);
        assert_eq!(again.headers["content-type"], "application/json");
        assert_eq!((again.status, &again.body), (first.status, &first.body), "{path}");
        assert_eq!(first.status, status, "{path}: {}", first.body);
        // Another key is another request.
        assert!(!is_replayed(&post(&user, path, "key-2", body).await));
    }
    assert_eq!(count(&app, "SELECT count(*) FROM conversations").await, 2);
    assert_eq!(keys(&app).await, 10);
}

#[tokio::test]
async fn a_key_belongs_to_a_user_a_path_and_a_body() {
    let app = TestApp::start().await;
    let (user, other) = (app.user().await, app.user().await);
    let body = json!({ "title": "Mine" });
    let mine = post(&user, "/chat/conversations", "k", body.clone()).await.expect(201);
    let theirs = post(&other, "/chat/conversations", "k", body).await.expect(201);
    assert_ne!(mine["id"], theirs["id"]);
    post(&user, "/chat/conversations", "k", json!({ "title": "Other" }))
        .await
        .expect_wrong_field("Idempotency-Key");
    post(&user, "/memories", "k", json!({ "content": "Elsewhere." })).await.expect(201);
    assert_eq!(count(&app, "SELECT count(*) FROM conversations").await, 2);
}

#[tokio::test]
async fn a_key_that_is_none_is_named() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let long = "k".repeat(256);
    for key in ["", "with space", "tab\tin", &long, "\u{e4}"] {
        let body = json!({ "title": "x" });
        post(&user, "/chat/conversations", key, body).await.expect_wrong_field("Idempotency-Key");
    }
    let twice = [("idempotency-key", "a"), ("idempotency-key", "b")];
    user.request(Method::POST, "/chat/conversations", Some(json!({})), &twice)
        .await
        .expect_wrong_field("Idempotency-Key");
    post(&user, "/chat/conversations", &"k".repeat(255), json!({})).await.expect(201);
    assert_eq!(count(&app, "SELECT count(*) FROM conversations").await, 1);
}

#[tokio::test]
async fn twenty_at_once_do_it_once() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    let body = json!({ "title": "Once" });
    let made = join_all((0..20).map(|_| post(&user, "/chat/conversations", "k", body.clone()))).await;
    let good = made.iter().filter(|response| response.status == 201).count();
    let busy = made.iter().filter(|response| response.status == 409).count();
    assert!(good >= 1 && good + busy == 20, "{made:?}");
    assert_eq!(count(&app, "SELECT count(*) FROM conversations").await, 1);

    let conversation = made.iter().find(|response| response.status == 201).unwrap();
    let conversation: Value = serde_json::from_str(&conversation.body).unwrap();
    let path = format!("/chat/conversations/{}/send", conversation["id"].as_str().unwrap());
    let body = json!({ "content": "once" });
    let sent = join_all((0..20).map(|_| post(&user, &path, "k", body.clone()))).await;
    assert!(sent.iter().all(|response| [200, 409].contains(&response.status)), "{sent:?}");
    assert!(sent.iter().any(|response| response.status == 200));
    assert_eq!(count(&app, "SELECT count(*) FROM messages").await, 2);
    assert_eq!(server.requests().iter().filter(|request| request.path.ends_with("completions")).count(), 1);
}

#[tokio::test]
async fn a_sent_message_is_asked_once_and_its_answer_is_given_again() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["The ", "answer."]).usage(5, 2));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/send");
    let body = json!({ "content": "ask once" });
    let first = post(&user, &path, "k", body.clone()).await.events();
    let response = post(&user, &path, "k", body.clone()).await;
    assert!(is_replayed(&response));
    assert_eq!(response.events(), first, "the same events under the same numbers");
    let json = [("idempotency-key", "k"), JSON];
    let whole = user.request(Method::POST, &path, Some(body.clone()), &json).await;
    assert!(is_replayed(&whole));
    let whole = whole.expect(200);
    assert_eq!(whole["content"], "The answer.");
    assert_eq!(whole["user_message_id"], first[0].data["user_message_id"]);
    assert_eq!(whole["usage"]["total_tokens"], 7);
    post(&user, &path, "k", json!({ "content": "something else" }))
        .await
        .expect_wrong_field("Idempotency-Key");
    assert_eq!(server.requests().len(), 1);

    // After their day the events are gone; the stored text answers.
    app.core().execute_unprepared("DELETE FROM message_events").await.unwrap();
    let late = post(&user, &path, "k", body).await.events();
    assert_eq!(late.last().unwrap().data["content"], "The answer.");
    assert_eq!(late.last().unwrap().event, "done");
}

#[tokio::test]
async fn a_repetition_while_the_answer_is_written_follows_it() {
    let server = ModelServer::start().await;
    let words: Vec<String> = (0..20).map(|number| format!("word{number} ")).collect();
    server.push(Script::reply(words.clone()).every(Duration::from_millis(100)));
    let app = with_model(&server).await;
    let user = app.user().await;
    let body = json!({ "text": "a new conversation" });
    let first = {
        let (user, body) = (user.clone(), body.clone());
        tokio::spawn(async move { post(&user, "/chat/send", "k", body).await })
    };
    assert!(eventually(|| async { !server.requests().is_empty() }).await);
    let json = [("idempotency-key", "k"), JSON];
    let waiting = user.request(Method::POST, "/chat/send", Some(body.clone()), &json).await;
    waiting.expect_problem(409, "turn_in_progress");
    let second = post(&user, "/chat/send", "k", body).await;
    assert!(is_replayed(&second));
    let (first, second) = (first.await.unwrap().events(), second.events());
    assert_eq!(first, second);
    assert_eq!(first.last().unwrap().data["content"], words.concat());
    assert_eq!(count(&app, "SELECT count(*) FROM conversations").await, 1);
}

/// Another replica knows nothing of the turn but what is in core.
#[tokio::test]
async fn a_repetition_on_another_replica_follows_it_too() {
    let server = ModelServer::start().await;
    let words: Vec<String> = (0..15).map(|number| format!("word{number} ")).collect();
    server.push(Script::reply(words).every(Duration::from_millis(100)));
    let app = with_model(&server).await;
    let user = app.user().await;
    let replica: tandem::state::AppState =
        tandem::state::Parts { live: tandem::web::live::LiveLogs::default(), ..(*app.state).clone() }.into();
    let elsewhere = user.on_replica(tandem::router::build(replica));
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/send");
    let body = json!({ "content": "follow me" });
    let first = {
        let (user, path, body) = (user.clone(), path.clone(), body.clone());
        tokio::spawn(async move { post(&user, &path, "k", body).await })
    };
    assert!(eventually(|| async { !server.requests().is_empty() }).await);
    let second = post(&elsewhere, &path, "k", body).await;
    assert!(is_replayed(&second));
    assert_eq!(second.events(), first.await.unwrap().events());
    assert_eq!(server.requests().len(), 1);
}

/// The row as a process leaves it that was killed after the deed: still
/// running, its lease run out.
async fn as_after_a_crash(app: &TestApp) {
    app.core()
        .execute_unprepared(
            "UPDATE idempotency_keys
                SET state = 'running', status = NULL, content_type = NULL, body = NULL,
                    lease_owner = gen_random_uuid(), lease_expires_at = now() - interval '1 second'",
        )
        .await
        .unwrap();
}

#[tokio::test]
async fn a_crash_between_the_deed_and_its_answer_doubles_nothing() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    let body = json!({ "title": "Once" });
    let first = post(&user, "/chat/conversations", "k", body.clone()).await.expect(201);
    let send = format!("/chat/conversations/{}/send", first["id"].as_str().unwrap());
    let question = json!({ "content": "once" });
    let asked = post(&user, &send, "k", question.clone()).await.events();
    let memory = json!({ "content": "I like bonds." });
    let remembered = post(&user, "/memories", "k", memory.clone()).await.expect(201);

    as_after_a_crash(&app).await;
    let again = post(&user, "/chat/conversations", "k", body).await.expect(201);
    assert_eq!((&again["id"], &again["created_at"]), (&first["id"], &first["created_at"]));
    assert_eq!(post(&user, &send, "k", question).await.events(), asked);
    assert_eq!(post(&user, "/memories", "k", memory).await.expect(200)["id"], remembered["id"]);
    assert_eq!(count(&app, "SELECT count(*) FROM conversations").await, 1);
    assert_eq!(count(&app, "SELECT count(*) FROM messages").await, 2);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn a_crash_before_the_deed_lets_the_next_one_do_it() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({ "title": "Once" });
    post(&user, "/chat/conversations", "k", body.clone()).await.expect(201);
    as_after_a_crash(&app).await;
    app.core().execute_unprepared("DELETE FROM conversations").await.unwrap();
    let proposed =
        "SELECT count(*) FROM conversations AS c JOIN idempotency_keys AS k ON k.resource_id = c.id";
    post(&user, "/chat/conversations", "k", body.clone()).await.expect(201);
    assert_eq!(count(&app, proposed).await, 1, "the id that was decided before");
    // While a lease is alive nobody else may.
    app.core()
        .execute_unprepared(
            "UPDATE idempotency_keys SET state = 'running', status = NULL, lease_owner = gen_random_uuid(),
                    lease_expires_at = now() + interval '1 minute'",
        )
        .await
        .unwrap();
    post(&user, "/chat/conversations", "k", body).await.expect_problem(409, "idempotency_in_progress");
}

#[tokio::test]
async fn a_turn_whose_process_died_is_not_asked_again() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/send");
    let body = json!({ "content": "once" });
    post(&user, &path, "k", body.clone()).await.events();
    as_after_a_crash(&app).await;
    app.core()
        .execute_unprepared(
            "DELETE FROM message_events WHERE event = 'done';
             UPDATE messages SET status = 'streaming', lease_owner = gen_random_uuid(),
                    lease_expires_at = now() - interval '1 second' WHERE role = 'assistant'",
        )
        .await
        .unwrap();
    let events = post(&user, &path, "k", body.clone()).await.events();
    let last = events.last().unwrap();
    assert_eq!((last.event.as_str(), last.data["code"].as_str()), ("error", Some("turn_interrupted")));
    let json = [("idempotency-key", "k"), JSON];
    user.request(Method::POST, &path, Some(body), &json).await.expect_problem(503, "turn_interrupted");
    assert_eq!(server.requests().len(), 1);
    assert_eq!(count(&app, "SELECT count(*) FROM messages").await, 2);
}

#[tokio::test]
async fn a_refusal_frees_the_key_and_a_failed_turn_keeps_it() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    post(&user, "/chat/conversations", "k", json!({ "title": " " })).await.expect_wrong_field("title");
    assert_eq!(keys(&app).await, 0);
    let made = post(&user, "/chat/conversations", "k", json!({ "title": "Right" })).await.expect(201);

    let path = format!("/chat/conversations/{}/send", made["id"].as_str().unwrap());
    server.push(Script::status(401));
    let json = [("idempotency-key", "k"), JSON];
    let body = json!({ "content": "fails" });
    user.request(Method::POST, &path, Some(body.clone()), &json).await.expect_problem(502, "turn_failed");
    user.request(Method::POST, &path, Some(body), &json).await.expect_problem(502, "turn_failed");
    assert_eq!(server.requests().len(), 1, "the question stands; a new key asks again");
    assert_eq!(count(&app, "SELECT count(*) FROM messages").await, 2);
}

#[tokio::test]
async fn a_client_that_leaves_finds_what_it_asked_for() {
    let server = ModelServer::start().await;
    server.push(Script::reply(["late"]).first_after(Duration::from_secs(1)));
    let app = with_model(&server).await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/send");
    let body = json!({ "content": "I leave" });
    let json = [("idempotency-key", "k"), JSON];
    let gone = user.request(Method::POST, &path, Some(body.clone()), &json);
    assert!(tokio::time::timeout(Duration::from_millis(500), gone).await.is_err());
    let kept = eventually(|| async {
        user.request(Method::POST, &path, Some(body.clone()), &json).await.status == 200
    });
    assert!(kept.await);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn what_is_deleted_takes_its_kept_answers_along_and_old_keys_go() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let made = post(&user, "/chat/conversations", "k", json!({ "title": "Canary" })).await.expect(201);
    let id = made["id"].as_str().unwrap();
    let body = json!({ "content": "hello" });
    post(&user, &format!("/chat/conversations/{id}/send"), "k", body).await.events();
    let body = json!({ "conversation_id": id, "text": "hello" });
    post(&user, "/chat/send", "k", body).await.events();
    let memory = post(&user, "/memories", "k", json!({ "content": "Canaries sing." })).await.expect(201);
    assert_eq!(keys(&app).await, 4);
    user.delete(&format!("/chat/conversations/{id}")).await;
    assert_eq!(keys(&app).await, 1);
    user.delete(&format!("/memories/{}", memory["id"].as_str().unwrap())).await;
    assert_eq!(keys(&app).await, 0);
    let source = json!({ "title": "Canaries", "text": "Canaries sing." });
    let source = post(&user, "/knowledge/sources", "k", source).await.expect(202);
    user.delete(&format!("/knowledge/sources/{}", source["id"].as_str().unwrap())).await;
    post(&user, "/memories", "k", json!({ "content": "Canaries sing." })).await.expect(201);
    user.delete("/memories?confirm=true").await;
    assert_eq!(keys(&app).await, 0);

    post(&user, "/chat/conversations", "k", json!({ "title": "Old" })).await.expect(201);
    let day = "UPDATE idempotency_keys SET expires_at = now() - interval '1 second'";
    app.core().execute_unprepared(day).await.unwrap();
    // After its day a key may mean something else.
    post(&user, "/chat/conversations", "k", json!({ "title": "New" })).await.expect(201);
    app.core().execute_unprepared(day).await.unwrap();
    assert_eq!(tandem::idempotency::delete_expired(app.core()).await.unwrap(), 1);
    assert_eq!(keys(&app).await, 0);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_kept() {
    let app = TestApp::with().env("TANDEM__HTTP__JSON_LIMIT_BYTES", 2048).start().await;
    let user = app.user().await;
    let request = Request::post("/api/v1/memories")
        .header("authorization", format!("Bearer {}", user.token.as_ref().unwrap()))
        .header("content-type", "application/json")
        .header("idempotency-key", "k")
        .body(Body::from(format!("{{\"content\": \"{}\"}}", "x".repeat(4000))))
        .unwrap();
    user.send(request).await.expect_problem(413, "body_too_large");
    assert_eq!(keys(&app).await, 0);
}
