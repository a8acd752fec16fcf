//! Our own TypeScript client: built from the OpenAPI document, run against the program.

use std::process::Command;
use std::time::Duration;

use super::openai::{reader, replicas};
use super::{node, run, script};
use crate::chat::with_model;
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
