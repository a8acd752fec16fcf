//! One API for each thing.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::TestApp;

/// What may be read in two places: the whole and a part of it, and health's alias.
const SHARED: [&str; 3] =
    ["#/components/schemas/Export", "#/components/schemas/Health", "#/components/schemas/Page_PositionView"];
/// Rows with what is to be known of them: the same kind of rows, chosen in several ways.
const ROWS: &str = "#/components/schemas/Described_";

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn each_thing_has_one_api_and_an_alias_is_the_same() {
    let document = serde_json::to_value(tandem::router::openapi()).unwrap();
    let mut places: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        let answer = &methods["get"]["responses"]["200"]["content"]["application/json"]["schema"]["$ref"];
        if let Some(shape) = answer.as_str() {
            places.entry(shape).or_default().push(path);
        }
        let memories = path.contains("memor");
        assert!(!memories || path.starts_with("/api/v1/memories"), "{path}: memories have another place");
    }
    assert!(places.len() > 15, "{places:?}");
    for (shape, paths) in &places {
        assert!(
            paths.len() == 1 || SHARED.contains(shape) || shape.starts_with(ROWS),
            "{shape} is read at {paths:?}"
        );
    }

    // The two ways to send: one shape, one conversation.
    let app = TestApp::start().await;
    let user = app.user().await;
    let conversation = user.conversation().await;
    let by_path = user.ask(&conversation, "What is beta?").await.expect(200);
    let body = json!({ "conversation_id": conversation, "text": "What is alpha?" });
    let accept = [("accept", "application/json")];
    let by_alias = user.request(Method::POST, "/chat/send", Some(body), &accept).await.expect(200);
    assert_eq!(keys(&by_path), keys(&by_alias));
    let read = user.get(&format!("/chat/conversations/{conversation}/messages")).await.expect(200);
    assert_eq!(read["items"].as_array().unwrap().len(), 4);
    // And to vote.
    let vote = format!("/chat/messages/{}/feedback", by_path["assistant_message_id"].as_str().unwrap());
    let put = user.put(&vote, json!({ "rating": "up" })).await.expect(200);
    let post = user.post(&vote, json!({ "rating": "up" })).await.expect(200);
    assert_eq!((keys(&put), &put["id"]), (keys(&post), &post["id"]));
}
