//! The same story in every mode: register, ingest, ask, rate, find the vote in ai.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use tandem::config::Env;

use super::{Serving, embedded_env};
use crate::support::postgres::{self, Layout};
use crate::support::response::{joined, parse_events};

#[tokio::test]
async fn embedded() {
    let folder = tempfile::tempdir().unwrap();
    story(embedded_env(folder.path()), "embedded").await;
}

#[tokio::test]
async fn with_a_data_dir_path_of_150_characters() {
    let folder = tempfile::tempdir().unwrap();
    let mut deep = folder.path().to_owned();
    while deep.as_os_str().len() < 150 {
        deep.push("a-folder-with-a-name");
    }
    story(embedded_env(&deep), "embedded").await;
}

#[tokio::test]
async fn on_two_databases() {
    story(postgres::empty(Layout::Dual).await.env(), "dual").await;
}

#[tokio::test]
async fn on_one_database() {
    story(postgres::empty(Layout::Single).await.env(), "single").await;
}

async fn story(env: Env, mode: &str) {
    let server = Serving::start(&env);
    let client = Client::new(&server.base);
    let health = client.get("/health/ready").await;
    assert_eq!((health["status"].as_str(), health["mode"].as_str()), (Some("ok"), Some(mode)), "{health}");

    let login = json!({ "email": "e2e@example.com", "password": "a long password" });
    client.post("/api/v1/auth/register", &login, 201).await;
    let tokens = client.post("/api/v1/auth/login", &login, 200).await;
    let client = client.with_token(tokens["access_token"].as_str().unwrap());

    let source = json!({
        "title": "Limits", "external_id": "limits-1",
        "text": "Positions above five percent of equity need a second signature."
    });
    let accepted = client.post("/api/v1/knowledge/sources", &source, 202).await;
    let path = format!("/api/v1/knowledge/sources/{}", accepted["id"].as_str().unwrap());
    client.until(&path, "status", "ready").await;

    let conversation = client.post("/api/v1/chat/conversations", &json!({ "title": "Test" }), 201).await;
    let send = format!("/api/v1/chat/conversations/{}/send", conversation["id"].as_str().unwrap());
    let question = json!({ "content": "Which positions need a second signature?" });
    let events = parse_events(&client.stream(&send, &question).await);
    let text = joined(&events);
    assert!(text.contains("second signature"), "{text}");
    let citation = events.iter().find(|event| event.event == "citation").expect("a citation");
    assert_eq!(citation.data["source_id"], accepted["id"]);
    assert!(text.contains(&format!("[{}]", citation.data["index"])));

    let message = events[0].data["assistant_message_id"].as_str().unwrap();
    let feedback = format!("/api/v1/chat/messages/{message}/feedback");
    let vote = client.put(&feedback, &json!({ "rating": "up", "comment": "exactly" })).await;
    assert_eq!(vote["message_id"], message);
    server.stop();

    // A second life: everything is still there.
    let server = Serving::start(&env);
    let client = Client { base: server.base.clone(), ..client };
    assert_eq!(client.get(&feedback).await["rating"], "up");
    server.stop();
}

struct Client {
    http: reqwest::Client,
    base: String,
    token: String,
}

impl Client {
    fn new(base: &str) -> Self {
        let http = reqwest::Client::builder().timeout(Duration::from_mins(1)).build().unwrap();
        Self { http, base: base.to_owned(), token: String::new() }
    }

    fn with_token(self, token: &str) -> Self {
        Self { token: token.to_owned(), ..self }
    }

    async fn get(&self, path: &str) -> Value {
        let response = self.http.get(self.url(path)).bearer_auth(&self.token).send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    async fn post(&self, path: &str, body: &Value, status: u16) -> Value {
        let request = self.http.post(self.url(path)).bearer_auth(&self.token).json(body);
        let response = request.send().await.unwrap();
        let given = response.status().as_u16();
        let text = response.text().await.unwrap();
        assert_eq!(given, status, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    async fn put(&self, path: &str, body: &Value) -> Value {
        let request = self.http.put(self.url(path)).bearer_auth(&self.token).json(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
        response.json().await.unwrap()
    }

    async fn stream(&self, path: &str, body: &Value) -> String {
        let request = self.http.post(self.url(path)).bearer_auth(&self.token).json(body);
        let response = request.send().await.unwrap();
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut bytes = response.bytes_stream();
        let mut read = Vec::new();
        while let Some(piece) = bytes.next().await {
            read.extend_from_slice(&piece.unwrap());
        }
        String::from_utf8(read).unwrap()
    }

    async fn until(&self, path: &str, field: &str, value: &str) {
        for _ in 0..300 {
            if self.get(path).await[field] == value {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("{path}: {field} never became {value}: {}", self.get(path).await);
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }
}
