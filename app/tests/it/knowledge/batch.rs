//! Batches: items are independent.

use serde_json::{Value, json};

use super::{found, number};
use crate::support::TestApp;

#[tokio::test]
async fn a_wrong_item_is_reported_in_its_place_and_the_others_go_on() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let items = json!([
        {"title": "A", "text": "Gold is a metal.", "external_id": "a"},
        {"title": " ", "text": "x", "external_id": "b"},
        {"title": "C", "text": "", "external_id": "c"},
        {"title": "D", "text": "x", "external_id": "d", "scope": "global"},
        {"title": "E", "text": 5, "external_id": "e"},
        {"title": "F", "text": "x", "colour": "red"},
        "nonsense",
        {"title": "H", "text": "Whales live in the sea.", "external_id": "h"},
    ]);
    let answer = user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
    let items = answer["items"].as_array().unwrap();
    let statuses: Vec<&str> = items.iter().map(|item| item["status"].as_str().unwrap()).collect();
    assert_eq!(
        statuses,
        ["queued", "rejected", "skipped", "rejected", "rejected", "rejected", "rejected", "queued"]
    );
    assert_eq!(items[1]["external_id"], "b");
    assert_eq!(items[1]["error"]["field"], "title");
    assert_eq!(items[2]["skipped"], "empty");
    assert_eq!(items[3]["error"]["code"], "shared_scope");
    assert_eq!(items[4]["error"]["field"], "text");
    assert_eq!(items[5]["error"]["field"], "colour");
    assert_eq!(items[0]["job_id"], items[7]["job_id"], "one job for all");
    app.run_jobs().await;
    assert_eq!(found(&user, json!({"query": "metal"})).await, ["a", "h"]);
}

#[tokio::test]
async fn the_last_of_two_with_the_same_id_counts() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let item = |text: &str| json!({"title": "T", "text": text, "external_id": "x"});
    let items = json!([item("Gold is a metal."), item("Whales sing."), item("Whales sing.")]);
    let answer = user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
    let skipped: Vec<&Value> =
        answer["items"].as_array().unwrap().iter().map(|item| &item["skipped"]).collect();
    assert_eq!(skipped, [&json!("superseded"), &Value::Null, &json!("unchanged")]);
    app.run_jobs().await;
    let result = user.post("/knowledge/search", json!({"query": "x"})).await.expect(200);
    assert_eq!(result["hits"][0]["content"], "Whales sing.");
    assert_eq!(number(&app, "SELECT count(*) FROM ai_kb_sources", []).await, 1);
}

#[tokio::test]
async fn ids_depend_on_the_input_only() {
    let (one, two) = (TestApp::start().await, TestApp::start().await);
    let text = json!({"items": [
        {"title": "T", "text": "by id", "external_id": "x", "scope": "global"},
        {"title": "T", "text": "by text", "scope": "global"},
    ]});
    let mut ids = Vec::new();
    for app in [&one, &two] {
        let answer = app.admin().await.post("/knowledge/sources/batch", text.clone()).await.expect(202);
        let items = answer["items"].as_array().unwrap();
        ids.push(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>());
    }
    assert_eq!(ids[0], ids[1]);
}

#[tokio::test]
async fn batches_at_once_queue_each_text_once() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let items: Vec<Value> = (0..50)
        .map(|n| json!({"title": "T", "text": format!("text {n}"), "external_id": n.to_string()}))
        .collect();
    let mut reversed = items.clone();
    reversed.reverse();
    let (one, two) = tokio::join!(
        user.post("/knowledge/sources/batch", json!({ "items": items })),
        user.post("/knowledge/sources/batch", json!({ "items": reversed })),
    );
    let queued = |answer: &Value| {
        answer["items"].as_array().unwrap().iter().filter(|item| item["skipped"].is_null()).count()
    };
    assert_eq!(queued(&one.expect(202)) + queued(&two.expect(202)), 50);
    app.run_jobs().await;
    let ready = number(&app, "SELECT count(*) FROM ai_kb_sources WHERE status = 'ready'", []).await;
    assert_eq!(ready, 50);
}
