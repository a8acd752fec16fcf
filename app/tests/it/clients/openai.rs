//! OpenAI's own clients, Python and npm.

use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use super::{node, python, run, script};
use crate::chat::{FOUR, learn, with_model};
use crate::process::Serving;
use crate::support::TestApp;
use crate::support::model::{ModelServer, Script};
use crate::support::user::TestUser;

/// What the clients ask for, in their order.
fn prepare(server: &ModelServer) {
    let beta = || Script::reply(["Beta measures ", "moves [1]."]).usage(30, 7);
    let weather = || Script::calls([("weather", json!({ "place": "Ulm" }))]);
    let say = |words: &str| Script::reply([words.to_owned()]);
    let numbers = || say(r#"{"numbers": [1, 2]}"#);
    let count =
        || Script::reply((0..60).map(|number| format!("word{number} "))).every(Duration::from_millis(40));
    let steps = [
        vec![beta(), beta(), beta()],
        vec![weather(), say("It is warm."), weather(), numbers()],
        vec![beta(), say("As I said."), say("Hello."), numbers()],
        vec![weather(), say("It is warm."), say("It is warm.")],
        vec![beta(), count(), count(), Script::status(500)],
        // And once more in async, by the one client that has both.
        vec![beta(), beta(), beta(), count()],
    ];
    steps.into_iter().flatten().for_each(|step| server.push(step));
}

/// A user with documents, and an API key of theirs.
pub(super) async fn reader(app: &TestApp) -> (TestUser, String) {
    let user = app.user().await;
    learn(app, &user, &FOUR).await;
    let body = json!({ "name": "a client", "scopes": ["chat:read", "chat:write"] });
    let made = user.post("/auth/api-keys", body).await.expect(201);
    (user, made["key"].as_str().unwrap().to_owned())
}

/// Two replicas of the program over the application's databases, with its model.
pub(super) async fn replicas(app: &TestApp, server: &ModelServer) -> [Serving; 2] {
    let mut env = app.urls.env();
    env.insert("OPENAI_BASE_URL".to_owned(), server.url().to_string());
    env.insert("CHAT_MODEL".to_owned(), "scripted".to_owned());
    env.insert("TANDEM__MODELS__RETRIES".to_owned(), "0".to_owned());
    tokio::task::spawn_blocking(move || [Serving::start(&env), Serving::start(&env)]).await.unwrap()
}

const BOTH: [&str; 10] = [
    "models",
    "chat",
    "chat tools",
    "embeddings",
    "responses",
    "response tools",
    "response stream",
    "response resume",
    "response cancel",
    "errors",
];

async fn told_by(mut command: Command) -> Vec<String> {
    let server = ModelServer::start().await;
    prepare(&server);
    let app = with_model(&server).await;
    let (_, key) = reader(&app).await;
    let [one, other] = replicas(&app, &server).await;
    command.args([&one.base, &other.base, &key]);
    let told: Value = run(command).await;
    serde_json::from_value(told["done"].clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_python_client_of_openai_passes() {
    let mut command = Command::new(python());
    command.arg(script("python/openai_client.py"));
    let done = told_by(command).await;
    assert_eq!(done[..BOTH.len()], BOTH);
    assert_eq!(done[BOTH.len()..], ["async"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_official_npm_client_of_openai_passes() {
    let (clients, node) = node();
    let mut command = Command::new(node);
    command.arg(script("node/openai_client.mjs")).env("TANDEM_NODE_CLIENTS", clients.join("node"));
    assert_eq!(told_by(command).await, BOTH);
}
