//! Calls that reach outside wait for the user once foreign text is in the turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::http::Method;
use serde_json::{Value, json};

use super::injection::web;
use super::{modelled, results, without_retrieval};
use crate::chat::{FOUR, eventually, learn};
use crate::support::TestApp;
use crate::support::app::Options;
use crate::support::model::{ModelServer, Script};
use crate::support::response::{EventStream, SseEvent, TestResponse};
use crate::support::user::TestUser;

/// A turn that waits for its user.
struct Waiting {
    stream: EventStream,
    events: Vec<SseEvent>,
    message: String,
    calls: Vec<String>,
}

fn search(query: &str) -> (&'static str, Value) {
    ("web_search", json!({ "query": query }))
}

/// Everything a test of approvals needs: a model, a counted web, and a turn with a document in it.
struct Scene {
    server: ModelServer,
    app: TestApp,
    user: TestUser,
    asked: Arc<AtomicUsize>,
    conversation: String,
}

impl Scene {
    async fn set(change: impl FnOnce(Options) -> Options) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let server = ModelServer::start().await;
        let address = web(asked.clone()).await;
        let app = change(modelled(&server).env("TANDEM__TOOLS__WEB_SEARCH_URL", &address)).start().await;
        let user = app.user().await;
        learn(&app, &user, &FOUR[..1]).await;
        let conversation = user.conversation().await;
        Self { server, app, user, asked, conversation }
    }

    /// The model makes these calls; the turn is read until as many wait.
    async fn wait(&self, calls: Vec<(&'static str, Value)>) -> Waiting {
        let count = calls.len();
        self.server.push(Script::calls(calls));
        self.server.push(Script::reply(["Done."]));
        let path = format!("/chat/conversations/{}/send", self.conversation);
        let body = Some(json!({ "content": "What is market beta?" }));
        let mut stream = self.user.open(Method::POST, &path, body, &[]).await;
        let (mut events, mut calls) = (Vec::new(), Vec::new());
        while calls.len() < count {
            let event = stream.next().await.unwrap();
            if event.event == "tool_call" {
                calls.push(event.data["id"].as_str().unwrap().to_owned());
            }
            events.push(event);
        }
        let message = events[0].data["assistant_message_id"].as_str().unwrap().to_owned();
        Waiting { stream, events, message, calls }
    }

    fn went_out(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

async fn decide(user: &TestUser, message: &str, call: &str, word: &str) -> TestResponse {
    let path = format!("/chat/messages/{message}/tool-calls/{call}/{word}");
    user.request(Method::POST, &path, None, &[]).await
}

fn named<'a>(events: &'a [SseEvent], name: &str) -> Vec<&'a Value> {
    events.iter().filter(|event| event.event == name).map(|event| &event.data).collect()
}

#[tokio::test]
async fn a_call_waits_is_shown_and_runs_once_its_user_approves_at_another_replica() {
    let scene = Scene::set(|options| options).await;
    let other = scene.app.replica().await;
    scene.app.hear();
    // Hearing keeps a connection.
    let hearing = || async { scene.app.state.core.pool_state().in_use() == 1 };
    assert!(eventually(hearing).await);
    let mut turn = scene.wait(vec![search("market beta")]).await;
    let shown = named(&turn.events, "tool_call")[0];
    assert_eq!(
        (&shown["approval"], &shown["arguments"]),
        (&json!("required"), &json!({ "query": "market beta" }))
    );
    assert_eq!(shown["expires_in_s"], 120);
    // Nothing goes out, no connection is held, and the lease lives on.
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.went_out(), 0);
    assert_eq!(scene.app.state.core.pool_state().in_use(), 1);
    assert_eq!(scene.app.state.ai.pool_state().in_use(), 0);
    // Whoever comes later sees that it waits.
    let path = format!("/chat/messages/{}/stream", turn.message);
    let mut replay = other.at(&scene.user).open(Method::GET, &path, None, &[]).await;
    let mut seen = Vec::new();
    while seen.len() < turn.events.len() {
        seen.push(replay.next().await.unwrap());
    }
    assert_eq!(seen, turn.events);

    let started = Instant::now();
    let there = other.at(&scene.user);
    let said = decide(&there, &turn.message, &turn.calls[0], "approve").await.expect(200);
    assert_eq!((&said["decision"], &said["call_id"]), (&json!("approved"), &json!(turn.calls[0])));
    turn.events.extend(turn.stream.rest().await);
    assert!(started.elapsed() < Duration::from_millis(900), "heard, not polled: {:?}", started.elapsed());
    assert_eq!(scene.went_out(), 1);
    let came = named(&turn.events, "tool_result")[0];
    assert_eq!((&came["ok"], &came["approval"]), (&json!(true), &json!("approved")));
    assert_eq!(results(&scene.server)[0]["data"]["items"][0]["title"], "A page");
    assert_eq!(turn.events.last().unwrap().data["content"], "Done.");
    let stored =
        scene.user.get(&format!("/chat/conversations/{}/messages", scene.conversation)).await.expect(200);
    assert_eq!(stored["items"][1]["tool_calls"][0]["approval"], "approved");
    // Again changes nothing; otherwise is too late.
    decide(&there, &turn.message, &turn.calls[0], "approve").await.expect(200);
    decide(&there, &turn.message, &turn.calls[0], "deny").await.expect_problem(409, "already_decided");
    assert_eq!(scene.went_out(), 1);
}

#[tokio::test]
async fn each_call_is_approved_for_itself_and_what_is_denied_does_not_run() {
    let scene = Scene::set(|options| options).await;
    scene.app.hear();
    let turn = scene.wait(vec![search("one"), search("two")]).await;
    decide(&scene.user, &turn.message, &turn.calls[0], "deny").await.expect(200);
    decide(&scene.user, &turn.message, &turn.calls[1], "approve").await.expect(200);
    let rest = turn.stream.rest().await;
    let came = results(&scene.server);
    assert_eq!((&came[0]["error"]["type"], &came[0]["data"]), (&json!("denied"), &Value::Null));
    assert_eq!((&came[1]["error"], &came[1]["meta"]["applied"]["query"]), (&Value::Null, &json!("two")));
    assert_eq!(scene.went_out(), 1);
    let verdicts: Vec<&Value> = named(&rest, "tool_result").iter().map(|event| &event["approval"]).collect();
    assert_eq!(verdicts, ["denied", "approved"]);
}

#[tokio::test]
async fn an_approval_is_for_one_call_even_if_the_model_gives_the_next_the_same_id() {
    let scene = Scene::set(|options| options).await;
    scene.app.hear();
    let same = |query: &str| {
        let function = json!({ "name": "web_search", "arguments": json!({ "query": query }).to_string() });
        Script::deltas(vec![
            json!([{ "index": 0, "id": "call_1", "type": "function", "function": function }]),
        ])
    };
    scene.server.push(same("one"));
    scene.server.push(same("two"));
    scene.server.push(Script::reply(["Done."]));
    let path = format!("/chat/conversations/{}/send", scene.conversation);
    let body = Some(json!({ "content": "What is market beta?" }));
    let mut stream = scene.user.open(Method::POST, &path, body, &[]).await;
    let message = stream.next().await.unwrap().data["assistant_message_id"].as_str().unwrap().to_owned();
    let mut ids = Vec::new();
    while let Some(event) = stream.next().await {
        if event.event == "tool_call" {
            let id = event.data["id"].as_str().unwrap().to_owned();
            ids.push(id);
            // The first is approved, twice; the second is not.
            decide(&scene.user, &message, "call_1", "approve").await.expect(200);
            if ids.len() == 2 {
                assert_eq!(scene.went_out(), 1);
                decide(&scene.user, &message, &ids[1], "deny").await.expect(200);
            }
        }
    }
    assert!(ids[0] == "call_1" && ids[1] != "call_1", "{ids:?}");
    assert_eq!(scene.went_out(), 1);
    let told = scene.server.requests().last().unwrap().body["messages"].clone();
    let answered: Vec<&str> =
        told.as_array().unwrap().iter().filter_map(|message| message["tool_call_id"].as_str()).collect();
    assert_eq!(answered, ids, "the model is told the same ids");
}

#[tokio::test]
async fn nobody_but_the_owner_decides_and_only_what_waits() {
    let scene = Scene::set(|options| options).await;
    let (stranger, admin) = (scene.app.user().await, scene.app.admin().await);
    let turn = scene.wait(vec![search("one")]).await;
    for other in [&stranger, &admin] {
        for word in ["approve", "deny"] {
            decide(other, &turn.message, &turn.calls[0], word).await.expect_problem(404, "not_found");
        }
    }
    let reader = json!({ "name": "reader", "scopes": ["chat:read"] });
    let key = scene.user.post("/auth/api-keys", reader).await.expect(201);
    let reader = scene.user.with_token(key["key"].as_str().unwrap());
    decide(&reader, &turn.message, &turn.calls[0], "approve").await.expect_problem(403, "missing_scope");
    for call in ["call_2", "x", "%00", "..%2f.."] {
        decide(&scene.user, &turn.message, call, "approve").await.expect_problem(404, "not_found");
    }
    let question = turn.events[0].data["user_message_id"].as_str().unwrap();
    decide(&scene.user, question, &turn.calls[0], "approve").await.expect_problem(404, "not_found");
    assert_eq!(scene.went_out(), 0);
    decide(&scene.user, &turn.message, &turn.calls[0], "deny").await.expect(200);
    turn.stream.rest().await;
}

#[tokio::test]
async fn a_turn_that_waits_is_cancelled_and_late_words_change_nothing() {
    let scene = Scene::set(|options| options).await;
    let turn = scene.wait(vec![search("one")]).await;
    let path = format!("/chat/messages/{}/cancel", turn.message);
    let ended = scene.user.request(Method::POST, &path, None, &[]).await.expect(200);
    assert_eq!(ended["status"], "cancelled");
    let rest = turn.stream.rest().await;
    assert_eq!(rest.last().unwrap().data["cancelled"], true);
    decide(&scene.user, &turn.message, &turn.calls[0], "approve")
        .await
        .expect_problem(409, "approval_expired");
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(scene.went_out(), 0);
}

#[tokio::test]
async fn who_says_nothing_in_time_has_denied_and_the_turn_outlives_its_lease() {
    let scene = Scene::set(|options| {
        options.env("TANDEM__TOOLS__APPROVAL_TIMEOUT_S", 5).env("TANDEM__CHAT__LEASE_S", 3)
    })
    .await;
    let started = Instant::now();
    let turn = scene.wait(vec![search("one")]).await;
    let rest = turn.stream.rest().await;
    assert!((4..20).contains(&started.elapsed().as_secs()), "{:?}", started.elapsed());
    assert_eq!(named(&rest, "tool_result")[0]["approval"], "expired");
    assert_eq!(rest.last().unwrap().data["content"], "Done.");
    let told = &results(&scene.server)[0]["error"];
    assert_eq!(told["type"], "not_approved");
    decide(&scene.user, &turn.message, &turn.calls[0], "approve")
        .await
        .expect_problem(409, "approval_expired");
    assert_eq!(scene.went_out(), 0);
}

#[tokio::test]
async fn a_decision_whose_word_is_lost_is_found_by_the_clock() {
    let scene = Scene::set(|options| options).await;
    let other = scene.app.replica().await;
    // Nobody listens: the writer has to look.
    let turn = scene.wait(vec![search("one")]).await;
    decide(&other.at(&scene.user), &turn.message, &turn.calls[0], "approve").await.expect(200);
    let started = Instant::now();
    turn.stream.rest().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
    assert_eq!(scene.went_out(), 1);
}

#[tokio::test]
async fn with_one_json_body_nobody_is_asked_and_the_model_is_told() {
    let scene = Scene::set(|options| options).await;
    scene.server.push(Script::calls([search("one")]));
    scene.server.push(Script::reply(["Done."]));
    let started = Instant::now();
    let answer = scene.user.ask(&scene.conversation, "What is market beta?").await.expect(200);
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(answer["content"], "Done.");
    assert_eq!(results(&scene.server)[0]["error"]["type"], "needs_approval");
    let stored =
        scene.user.get(&format!("/chat/conversations/{}/messages", scene.conversation)).await.expect(200);
    assert_eq!(stored["items"][1]["tool_calls"][0]["approval"], "unavailable");
    assert_eq!(scene.went_out(), 0);
}

#[tokio::test]
async fn without_foreign_text_nobody_is_asked() {
    let asked = Arc::new(AtomicUsize::new(0));
    let server = ModelServer::start().await;
    let address = web(asked.clone()).await;
    let app = without_retrieval(&server).env("TANDEM__TOOLS__WEB_SEARCH_URL", &address).start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    server.push(Script::calls([search("one")]));
    server.push(Script::reply(["Done."]));
    let events = user.stream(&conversation, "Search the web.").await;
    let call = named(&events, "tool_call")[0];
    assert!(call["approval"].is_null(), "{call}");
    assert!(eventually(|| async { asked.load(Ordering::SeqCst) == 1 }).await);
}
