//! Our own TypeScript client: built from the OpenAPI document, run against the program.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::openai::{reader, replicas};
use super::{node, run, script};
use crate::chat::with_model;
use crate::process::Serving;
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};

/// Its types are made when it is built, so a route that is not there does not compile.
#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_is_built_of_the_document_and_goes_on_after_cuts() {
    let (clients, node) = node();
    let server = ModelServer::start().await;
    let words = || (0..80).map(|number| format!("wörd{number} "));
    server.push(Script::reply(["Beta measures moves [1]."]).usage(30, 7));
    server.push(Script::reply(words()).every(Duration::from_millis(25)));
    server.push(Script::reply(words()).every(Duration::from_millis(25)));
    server.push(Script::reply(words()).every(Duration::from_millis(100)));
    server.push(Script::status(500));
    let app = with_model(&server).await;
    let (user, key) = reader(&app).await;
    let [one, other] = replicas(&app, &server).await;
    let mut command = Command::new(node);
    command.arg(script("node/typescript_client.mjs")).args([&one.base, &other.base, &key]);
    command.env("TANDEM_CLIENT", clients.join("typescript/dist/index.js"));
    let told = run(command).await;
    assert!(told["cuts"].as_u64().unwrap() > 4, "{told}");
    assert_eq!(server.requests().len(), 5, "what was cut is not asked again");
    let messages = format!("/chat/conversations/{}/messages", told["conversation"].as_str().unwrap());
    let messages = user.get(&messages).await.expect(200);
    let texts: Vec<&str> =
        messages["items"].as_array().unwrap().iter().map(|item| item["content"].as_str().unwrap()).collect();
    assert_eq!(texts[3], told["joined"].as_str().unwrap());
    assert_eq!(texts[3], words().collect::<String>());
    assert_eq!(texts[5], texts[3]);
}

/// A file goes in as it is, and what is made of it comes out typed.
#[tokio::test(flavor = "multi_thread")]
async fn the_typescript_client_imports_a_portfolio_and_reads_it() {
    let (clients, node) = node();
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = serde_json::json!({ "name": "a client", "scopes": ["portfolio:read", "portfolio:write"] });
    let made = user.post("/auth/api-keys", body).await.expect(201);
    let env = app.urls.env();
    let server = tokio::task::spawn_blocking(move || Serving::start(&env)).await.unwrap();
    let mut command = Command::new(node);
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/samples/import/template.csv");
    command.arg(script("node/typescript_portfolio.mjs")).args([&server.base, made["key"].as_str().unwrap()]);
    command.arg(sample).env("TANDEM_CLIENT", clients.join("typescript/dist/index.js"));
    let told = run(command).await;
    let id = told["portfolio"].as_str().unwrap();
    let complete = user.get(&format!("/data/portfolio/{id}/complete")).await.expect(200);
    assert_eq!(complete["positions_summary"]["total"], told["positions"]);
    assert_eq!(complete["portfolio"]["total_value"], told["equity"]);
}
