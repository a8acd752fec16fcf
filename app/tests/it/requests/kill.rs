//! `kill -9` between the deed and its answer, on two replicas.

use std::time::{Duration, Instant};

use futures::future::join_all;
use reqwest::{Client, Response};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use crate::process::Serving;
use crate::support::postgres::{self, Layout};

/// Requests under way when the process is killed, of each kind.
const AT_ONCE: usize = 12;
/// A lease of the dead, and then some.
const PATIENCE: Duration = Duration::from_mins(1);

async fn post(
    client: &Client,
    base: &str,
    path: &str,
    token: &str,
    key: &str,
    body: &Value,
) -> Option<Response> {
    let request = client.post(format!("{base}/api/v1{path}")).bearer_auth(token).json(body);
    request.header("idempotency-key", key).header("accept", "application/json").send().await.ok()
}

/// Tries until the request was answered; the id of what was made.
async fn until_made(client: &Client, base: &str, path: &str, token: &str, key: &str, body: &Value) -> String {
    let started = Instant::now();
    let mut last = String::new();
    while started.elapsed() < PATIENCE {
        let response = post(client, base, path, token, key, body).await.expect("the living replica");
        let status = response.status().as_u16();
        last = response.text().await.unwrap();
        if status == 503 && last.contains("turn_interrupted") {
            return String::new();
        }
        if status < 300 {
            let made: Value = serde_json::from_str(&last).unwrap();
            let id = if path == "/chat/send" { &made["assistant_message_id"] } else { &made["id"] };
            return id.as_str().unwrap().to_owned();
        }
        assert_eq!(status, 409, "{last}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("{key} was never answered: {last}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_process_leaves_every_request_done_once_under_its_key() {
    let mut env = postgres::migrated(Layout::Dual).await.env();
    env.insert("JWT_SECRET".to_owned(), "0123456789abcdef0123456789abcdef".to_owned());
    env.insert("TANDEM__CHAT__LEASE_S".to_owned(), "3".to_owned());
    let client = Client::builder().timeout(PATIENCE).build().unwrap();
    let (mut doomed, living) = (Some(Serving::start(&env)), Serving::start(&env));
    let login = json!({ "email": "kill@example.com", "password": "a long password" });
    for path in ["register", "login"] {
        let url = format!("{}/api/v1/auth/{path}", living.base);
        assert!(client.post(url).json(&login).send().await.unwrap().status().is_success());
    }
    let url = format!("{}/api/v1/auth/login", living.base);
    let session: Value = client.post(url).json(&login).send().await.unwrap().json().await.unwrap();
    let token = session["access_token"].as_str().unwrap().to_owned();

    let requests: Vec<(&str, String, Value)> = (0..AT_ONCE)
        .flat_map(|number| {
            [
                ("/chat/conversations", format!("c{number}"), json!({ "title": format!("Title {number}") })),
                ("/chat/send", format!("s{number}"), json!({ "text": format!("Question {number}?") })),
                ("/memories", format!("m{number}"), json!({ "content": format!("Fact number {number}.") })),
            ]
        })
        .collect();
    let base = doomed.as_ref().unwrap().base.clone();
    let first =
        join_all(requests.iter().map(|(path, key, body)| post(&client, &base, path, &token, key, body)));
    let killed = async {
        tokio::time::sleep(Duration::from_millis(40)).await;
        drop(doomed.take());
    };
    let (first, ()) = tokio::join!(first, killed);
    let answered = first.iter().flatten().filter(|response| response.status().is_success()).count();
    assert!(answered < requests.len(), "it was killed too late to show anything");

    let tried =
        requests.iter().map(|(path, key, body)| until_made(&client, &living.base, path, &token, key, body));
    let made = join_all(tried).await;
    let again =
        requests.iter().map(|(path, key, body)| until_made(&client, &living.base, path, &token, key, body));
    assert_eq!(join_all(again).await, made, "and the same ever after");
    let core = postgres::operator(&env["DATABASE_URL"]);
    let number = async |sql: &str| {
        let row =
            core.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
        row.try_get_by_index::<i64>(0).unwrap()
    };
    let all = i64::try_from(AT_ONCE).unwrap();
    assert_eq!(number("SELECT count(*) FROM conversations WHERE title LIKE 'Title %'").await, all);
    assert_eq!(number("SELECT count(*) FROM conversations").await, 2 * all, "one a question");
    assert_eq!(number("SELECT count(*) FROM messages WHERE role = 'user'").await, all);
    assert_eq!(number("SELECT count(DISTINCT content) FROM messages WHERE role = 'user'").await, all);
    assert_eq!(number("SELECT count(*) FROM messages WHERE role = 'assistant'").await, all);
    assert_eq!(number("SELECT count(*) FROM messages WHERE status = 'streaming'").await, 0);
    let ai = postgres::operator(&env["AI_DATABASE_URL"]);
    let memories =
        ai.query_one_raw(Statement::from_string(DbBackend::Postgres, "SELECT count(*) FROM ai_memories"));
    assert_eq!(memories.await.unwrap().unwrap().try_get_by_index::<i64>(0).unwrap(), all);
}
