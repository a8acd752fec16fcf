//! Accounts and sessions over several real processes.

use std::collections::BTreeSet;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use serde_json::{Value, json};
use tandem::config::Env;

use super::{Serving, run};
use crate::support::postgres::{self, Layout, Urls};

const PASSWORD: &str = "correct horse battery";

/// Processes on the same databases, started at once.
async fn replicas(env: &Env, count: usize) -> Vec<Serving> {
    let starting: Vec<_> = (0..count)
        .map(|_| {
            let env = env.clone();
            tokio::task::spawn_blocking(move || Serving::start(&env))
        })
        .collect();
    let mut serving = Vec::new();
    for replica in starting {
        serving.push(replica.await.unwrap());
    }
    serving
}

async fn post(replica: &Serving, path: &str, body: Value) -> (u16, Value) {
    let client = reqwest::Client::builder().build().unwrap();
    let answer = client.post(format!("{}{path}", replica.base)).json(&body).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap_or_default())
}

async fn execute(urls: &Urls, sql: &str) -> u64 {
    let options: PgConnectOptions = urls.core.parse().unwrap();
    let mut connection: PgConnection = options.connect().await.unwrap();
    connection.execute(AssertSqlSafe(sql.to_owned())).await.unwrap().rows_affected()
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_parallel_refreshes_on_three_processes_have_one_successor() {
    let urls = postgres::migrated(Layout::Dual).await;
    let replicas = replicas(&urls.env(), 3).await;
    let person = json!({"email": "ada@example.com", "password": PASSWORD});
    assert_eq!(post(&replicas[0], "/api/v1/auth/register", person.clone()).await.0, 201);
    let (_, session) = post(&replicas[1], "/api/v1/auth/login", person).await;
    let refresh = async |n: usize, token: &Value| {
        post(&replicas[n % 3], "/api/v1/auth/refresh", json!({"refresh_token": token})).await
    };

    let parallel = (0..8).map(|n| refresh(n, &session["refresh_token"]));
    let answers = futures::future::join_all(parallel).await;
    assert!(answers.iter().all(|(status, _)| *status == 200), "{answers:?}");
    let successors: BTreeSet<&str> =
        answers.iter().map(|(_, tokens)| tokens["refresh_token"].as_str().unwrap()).collect();
    assert_eq!(successors.len(), 1);
    assert_eq!(execute(&urls, "UPDATE refresh_tokens SET id = id WHERE revoked_at IS NULL").await, 2);
    // Nobody is logged out.
    let successor = json!(successors.first().unwrap());
    let (status, third) = refresh(2, &successor).await;
    assert_eq!(status, 200);

    // Ten seconds later the first token is a stolen one: its whole family ends, on every replica.
    execute(&urls, "UPDATE refresh_tokens SET rotated_at = rotated_at - interval '11 seconds'").await;
    let (status, problem) = refresh(0, &session["refresh_token"]).await;
    assert_eq!((status, &problem["code"]), (401, &json!("refresh_token_reused")));
    for (n, token) in [(1, &successor), (2, &third["refresh_token"])] {
        let (status, problem) = refresh(n, token).await;
        assert_eq!((status, &problem["code"]), (401, &json!("refresh_token_revoked")));
    }
}

/// The token a process prints while there is no administrator.
fn setup_token(replica: &Serving) -> Option<String> {
    let log = replica.log();
    let mut events = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.find_map(|event| event["setup_token"].as_str().map(str::to_owned))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_replica_prints_the_same_setup_token_until_it_is_used() {
    let urls = postgres::migrated(Layout::Dual).await;
    let replicas_ = replicas(&urls.env(), 3).await;
    let tokens: BTreeSet<Option<String>> = replicas_.iter().map(setup_token).collect();
    assert_eq!(tokens.len(), 1, "{tokens:?}");
    let token = tokens.into_iter().next().flatten().expect("a token in the log");
    let body = json!({"token": token, "email": "boss@example.com", "password": PASSWORD});
    assert_eq!(post(&replicas_[2], "/setup", body.clone()).await.0, 201);
    let (status, problem) = post(&replicas_[0], "/setup", body).await;
    assert_eq!((status, &problem["code"]), (410, &json!("setup_closed")));
    assert_eq!(setup_token(&replicas(&urls.env(), 1).await[0]), None);

    let urls = postgres::migrated(Layout::Dual).await;
    run(&urls.env(), &["user", "create", "boss@example.com", "--admin"]);
    assert_eq!(setup_token(&replicas(&urls.env(), 1).await[0]), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_count_failed_log_ins_together_by_the_peer_of_the_socket() {
    let urls = postgres::migrated(Layout::Dual).await;
    let replicas = replicas(&urls.env(), 2).await;
    let person = json!({"email": "ada@example.com", "password": PASSWORD});
    assert_eq!(post(&replicas[0], "/api/v1/auth/register", person.clone()).await.0, 201);
    let wrong = json!({"email": "ada@example.com", "password": "wrong password"});
    for n in 0..10 {
        assert_eq!(post(&replicas[n % 2], "/api/v1/auth/login", wrong.clone()).await.0, 401);
    }
    for replica in &replicas {
        let (status, problem) = post(replica, "/api/v1/auth/login", person.clone()).await;
        assert_eq!((status, &problem["code"]), (429, &json!("too_many_attempts")));
    }
}
