//! Servers that go away and come back under a running Tandem.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{both, database_on, own_server};
use crate::process::{Serving, run_failing};
use crate::support::postgres::{self, Layout, execute_on_server, name_of};

const PATIENCE: Duration = Duration::from_secs(30);

async fn request(server: &Serving, path: &str, token: Option<&str>, body: Option<Value>) -> (u16, Value) {
    let client = reqwest::Client::builder().timeout(PATIENCE).build().unwrap();
    let url = format!("{}{path}", server.base);
    let mut request = if body.is_some() { client.post(url) } else { client.get(url) };
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    if let Some(body) = body {
        request = request.json(&body);
    }
    let response = request.send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap_or_default())
}

async fn until_ready(server: &Serving, status: &str) {
    let started = Instant::now();
    loop {
        let (_, body) = request(server, "/health/ready", None, None).await;
        if body["status"] == status {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "never {status}: {body}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

async fn log_in(server: &Serving) -> String {
    let login = json!({ "email": "o@example.com", "password": "a long password" });
    request(server, "/api/v1/auth/register", None, Some(login.clone())).await;
    let (status, body) = request(server, "/api/v1/auth/login", None, Some(login)).await;
    assert_eq!(status, 200, "{body}");
    body["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn pools_reconnect_after_a_restart_of_the_database() {
    let mut database = own_server(None).await;
    let (core, ai) = (database_on(&database, "core").await, database_on(&database, "ai").await);
    let server = Serving::start(&both(&core, &ai));
    let token = log_in(&server).await;
    let list = async |path: &str| request(&server, path, Some(&token), None).await;
    for path in ["/api/v1/chat/conversations", "/api/v1/memories"] {
        assert_eq!(list(path).await.0, 200);
    }

    database.stop().await.unwrap();
    let asked = Instant::now();
    let (status, body) = list("/api/v1/memories").await;
    assert_eq!((status, body["status"].as_u64()), (503, Some(503)), "{body}");
    assert!(asked.elapsed() < PATIENCE);

    let said = async |words: &str| {
        let asked = Instant::now();
        while !server.log().contains(words) {
            assert!(asked.elapsed() < PATIENCE, "{words}: {}", server.log());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    said("a database does not answer").await;
    database.start_again().await.unwrap();
    until_ready(&server, "ok").await;
    said("a database answers again").await;
    let log = server.log();
    for name in ["/core\"", "/ai\""] {
        assert!(log.contains(name), "{name}: {log}");
    }
    let password = core.split(['@', '/', ':']).nth(4).unwrap();
    assert!(password.len() > 20 && !log.contains(password), "no credentials in the log");
    for path in ["/api/v1/chat/conversations", "/api/v1/memories"] {
        for _ in 0..10 {
            let (status, body) = list(path).await;
            assert_eq!(status, 200, "{path}: {body}");
        }
    }
    // What was asked for before and after is the same process.
    server.stop();
}

#[tokio::test]
async fn a_start_without_ai_serves_what_it_can_and_takes_ai_in_when_it_is_back() {
    let urls = postgres::empty(Layout::Dual).await;
    let ai = name_of(urls.ai.as_ref().unwrap());
    let away = format!("ALTER DATABASE {ai} ALLOW_CONNECTIONS false");
    execute_on_server(&away).await;
    let said = run_failing(&urls.env(), &["serve"]);
    assert!(said.contains("AI_DATABASE_URL") && said.contains(&ai), "a first start needs both: {said}");

    let back = format!("ALTER DATABASE {ai} ALLOW_CONNECTIONS true");
    execute_on_server(&back).await;
    Serving::start(&urls.env()).stop();
    execute_on_server(&away).await;

    let server = Serving::start(&urls.env());
    until_ready(&server, "degraded").await;
    let token = log_in(&server).await;
    let (status, _) = request(&server, "/api/v1/chat/conversations", Some(&token), None).await;
    assert_eq!(status, 200);
    let memory = json!({ "content": "I like bonds" });
    let (status, body) = request(&server, "/api/v1/memories", Some(&token), Some(memory.clone())).await;
    assert_eq!((status, body["code"].as_str()), (503, Some("ai_unavailable")), "{body}");

    execute_on_server(&back).await;
    until_ready(&server, "ok").await;
    let (status, body) = request(&server, "/api/v1/memories", Some(&token), Some(memory)).await;
    assert_eq!(status, 201, "{body}");
    server.stop();
}

#[tokio::test]
async fn an_ai_that_comes_back_as_another_one_stays_out() {
    let (urls, other) = (postgres::empty(Layout::Dual).await, postgres::empty(Layout::Dual).await);
    Serving::start(&urls.env()).stop();
    let env = both(&urls.core, other.ai.as_ref().unwrap());
    let ai = name_of(other.ai.as_ref().unwrap());
    execute_on_server(&format!("ALTER DATABASE {ai} ALLOW_CONNECTIONS false")).await;
    let server = Serving::start(&env);
    until_ready(&server, "degraded").await;
    execute_on_server(&format!("ALTER DATABASE {ai} ALLOW_CONNECTIONS true")).await;
    // Asked for every two seconds.
    tokio::time::sleep(Duration::from_secs(5)).await;
    until_ready(&server, "degraded").await;
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(postgres::texts(other.ai.as_ref().unwrap(), tables).await, Vec::<String>::new());
    server.stop();
}
