//! The official Python MCP client.

use std::process::Command;

use serde_json::{Value, json};

use super::python;
use crate::chat::{FOUR, learn};
use crate::process::Serving;
use crate::support::TestApp;

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_mcp_client_passes() {
    let app = TestApp::start().await;
    let user = app.user().await;
    learn(&app, &user, &FOUR).await;
    let mut keys = Vec::new();
    for scopes in
        [json!(["knowledge:read", "memory:read", "memory:write", "chat:read"]), json!(["chat:read"])]
    {
        let body = json!({ "name": "python", "scopes": scopes });
        let made = user.post("/auth/api-keys", body).await.expect(201);
        keys.push(made["key"].as_str().unwrap().to_owned());
    }
    let env = app.urls.env();
    let output = tokio::task::spawn_blocking(move || {
        let (serving, other) = (Serving::start(&env), Serving::start(&env));
        Command::new(python())
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/python/mcp_client.py"))
            .args([&serving.base, &other.base, &keys[0], &keys[1]])
            .output()
            .unwrap()
    });
    let output = output.await.unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{words}\n{}", String::from_utf8_lossy(&output.stderr));
    let told: Value = serde_json::from_str(words.lines().last().unwrap()).unwrap();
    assert_eq!(told["title"], "Beta", "{told}");
    assert_eq!(told["server"], "tandem", "{told}");
    // What it asked to be remembered and forgotten was.
    let kept = user.get("/memories").await.expect(200);
    let kept: Vec<&Value> = kept["items"].as_array().unwrap().iter().map(|item| &item["content"]).collect();
    assert_eq!(kept, [&json!("I prefer euros")]);
}
