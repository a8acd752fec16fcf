//! Which model answers.

use serde_json::{Value, json};

use super::{ledger, options};
use crate::support::TestApp;
use crate::support::model::{End, ModelServer, Script};
use crate::support::response::joined;

#[tokio::test]
async fn a_conversation_chooses_its_model_among_those_the_server_has() {
    let server = ModelServer::start().await;
    let app = options(&server).start().await;
    let user = app.user().await;
    // The provider's list has one, the configured one is always there.
    let listed = user.get("/chat/models").await.expect(200);
    assert_eq!(listed["items"], json!([{"id": "gpt-4o-mini-scripted"}, {"id": "scripted"}]));
    assert_eq!(listed["default"], "gpt-4o-mini-scripted");
    assert_eq!(listed["complete"], true);

    user.post("/chat/conversations", json!({"model": "gpt-9"})).await.expect_wrong_field("model");
    let made = user.post("/chat/conversations", json!({"model": "scripted"})).await.expect(201);
    assert_eq!(made["model"], "scripted");
    let id = made["id"].as_str().unwrap();
    let events = user.stream(id, "one").await;
    assert_eq!(events[1].data["model"], "scripted");
    let path = format!("/chat/conversations/{id}");
    user.patch(&path, json!({"model": "gpt-9"})).await.expect_wrong_field("model");
    user.patch(&path, json!({})).await.expect_wrong_field("title");
    let changed = user.patch(&path, json!({"title": "new", "model": null})).await.expect(200);
    assert_eq!((&changed["title"], &changed["model"]), (&json!("new"), &Value::Null));
    user.ask(id, "two").await.expect(200);
    let asked: Vec<Value> = server.requests().iter().map(|asked| asked.body["model"].clone()).collect();
    assert_eq!(asked, [json!("scripted"), json!("gpt-4o-mini-scripted")]);
    let stored = user.get(&format!("{path}/messages")).await.expect(200);
    assert_eq!(stored["items"][1]["model"], "scripted");
    app.user().await.patch(&path, json!({"model": "scripted"})).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn the_allow_list_narrows_what_the_provider_has() {
    let server = ModelServer::start().await;
    let app = options(&server).env("CHAT_MODELS", "another, gone").start().await;
    let user = app.user().await;
    let listed = user.get("/chat/models").await.expect(200);
    assert_eq!(listed["items"], json!([{"id": "gpt-4o-mini-scripted"}]));
    user.post("/chat/conversations", json!({"model": "scripted"})).await.expect_wrong_field("model");
    // Without a provider there is nothing to choose.
    let bare = TestApp::start().await;
    let user = bare.user().await;
    let listed = user.get("/chat/models").await.expect(200);
    assert_eq!((&listed["items"], &listed["default"]), (&json!([]), &json!("extractive")));
    user.post("/chat/conversations", json!({"model": "scripted"})).await.expect_wrong_field("model");
}

#[tokio::test]
async fn a_model_server_of_this_machine_is_offered_to_administrators_and_not_used() {
    let (server, local) = (ModelServer::start().await, ModelServer::start().await);
    let file =
        [local.url().to_string(), "http://127.0.0.1:9/v1".to_owned(), "http://192.0.2.1/v1".to_owned()];
    let app = options(&server).env("LOCAL_MODEL_SERVERS", file.join(",")).start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    let listed = admin.get("/chat/models").await.expect(200);
    assert_eq!(listed["local_servers"], json!([{"base_url": local.url(), "models": ["scripted"]}]));
    assert_eq!(user.get("/chat/models").await.expect(200)["local_servers"], Value::Null);
    user.ask(&user.conversation().await, "one").await.expect(200);
    assert_eq!(local.requests().len(), 0);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_fallback_is_asked_once_and_only_before_the_first_word() {
    let server = ModelServer::start().await;
    server.push(Script::status(503));
    server.push(Script::reply(["from ", "the other"]).usage(7, 3));
    let app = options(&server).env("CHAT_FALLBACK_MODEL", "gpt-4o-fallback").start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let events = user.stream(&conversation, "one").await;
    let info: Vec<&Value> =
        events.iter().filter(|event| event.event == "info").map(|event| &event.data).collect();
    let switch = json!({"code": "model_fallback", "from": "gpt-4o-mini-scripted", "to": "gpt-4o-fallback",
        "reason": "provider_refused"});
    assert_eq!(info, [&switch]);
    assert_eq!(joined(&events), "from the other");
    let path = format!("/chat/conversations/{conversation}/messages");
    let stored = user.get(&path).await.expect(200);
    assert_eq!(stored["items"][1]["model"], "gpt-4o-fallback");
    assert_eq!(ledger(&app).await[0].model, "gpt-4o-fallback");

    // After the first word nobody else is asked.
    server.push(Script::reply(["half ", "of it"]).end(End::Cut));
    let events = user.stream(&conversation, "two").await;
    assert_eq!(events.last().unwrap().data["code"], "provider_stream_cut");
    assert_eq!(server.requests().len(), 3);
    // What a retry cannot cure, another model is not asked for.
    server.push(Script::status(401));
    user.ask(&conversation, "three").await.expect_problem(502, "turn_failed");
    assert_eq!(server.requests().len(), 4);
    // Both fail: once each.
    server.push(Script::status(503));
    server.push(Script::status(500));
    user.ask(&conversation, "four").await.expect_problem(502, "turn_failed");
    assert_eq!(server.requests().len(), 6);
}
