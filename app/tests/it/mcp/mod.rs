//! The registry as an MCP server: who sees what, and what a call does.

mod http;
mod tools;

use axum::http::Method;
use serde_json::{Value, json};

use crate::support::response::TestResponse;
use crate::support::user::TestUser;

/// What MCP clients send beside the message.
const HEADERS: [(&str, &str); 3] = [
    ("host", "localhost"),
    ("accept", "application/json, text/event-stream"),
    ("mcp-protocol-version", "2025-06-18"),
];

/// A key of the user with these scopes.
async fn key(user: &TestUser, scopes: &[&str]) -> TestUser {
    let body = json!({ "name": "a program", "scopes": scopes });
    let made = user.post("/auth/api-keys", body).await.expect(201);
    user.with_token(made["key"].as_str().unwrap())
}

async fn send(user: &TestUser, message: Value, more: &[(&str, &str)]) -> TestResponse {
    let headers: Vec<(&str, &str)> = HEADERS.iter().chain(more).copied().collect();
    user.request(Method::POST, "/mcp", Some(message), &headers).await
}

/// A request; its `result`.
async fn ask(user: &TestUser, method: &str, params: Value) -> Value {
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
    let answer = send(user, message, &[]).await.expect(200);
    assert_eq!(answer["id"], 7, "{answer}");
    assert!(answer["error"].is_null(), "{answer}");
    answer["result"].clone()
}

/// The names of the tools it sees.
async fn listed(user: &TestUser) -> Vec<String> {
    let result = ask(user, "tools/list", json!({})).await;
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    result["tools"].as_array().unwrap().iter().map(name).collect()
}

/// A call; its envelope, which stands there as text and as structured content.
async fn call(user: &TestUser, name: &str, arguments: Value) -> Value {
    let result = ask(user, "tools/call", json!({ "name": name, "arguments": arguments })).await;
    let envelope = result["structuredContent"].clone();
    let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(text, envelope);
    assert_eq!(result["isError"] == true, !envelope["error"].is_null(), "{result}");
    envelope
}

/// A call that there is no tool for.
async fn call_refused(user: &TestUser, name: &str) {
    let params = json!({ "name": name, "arguments": { "query": "beta" } });
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let answer = send(user, message, &[]).await;
    let answer: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(answer["error"]["code"], -32602, "{name}: {answer}");
    assert!(answer["result"].is_null(), "{answer}");
}
