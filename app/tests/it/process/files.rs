//! Files and real processes: the server under a bomb, and one that is killed.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use serde_json::Value;
use tandem::config::Env;

use super::{Serving, run, tandem};
use crate::support::files::{BOUNDARY, Form, pdf, pdf_bomb};
use crate::support::postgres::{self, Layout};

const EMAIL: &str = "files@example.com";

/// An environment with a user, and the user's token.
async fn prepared() -> (Env, String) {
    let mut env = postgres::migrated(Layout::Dual).await.env();
    env.insert("JWT_SECRET".to_owned(), "0123456789abcdef0123456789abcdef".to_owned());
    run(&env, &["user", "create", EMAIL, "--json"]);
    let token = run(&env, &["token", EMAIL]).trim().to_owned();
    (env, token)
}

struct Client {
    http: reqwest::Client,
    token: String,
}

impl Client {
    fn new(token: String) -> Self {
        Self { http: reqwest::Client::builder().timeout(Duration::from_mins(1)).build().unwrap(), token }
    }

    /// Uploads; the path of the source.
    async fn upload(&self, server: &Serving, form: Form) -> String {
        let response = self
            .http
            .post(format!("{}/api/v1/knowledge/sources", server.base))
            .bearer_auth(&self.token)
            .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
            .body(form.end())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 202);
        let body: Value = response.json().await.unwrap();
        format!("/api/v1/knowledge/sources/{}", body["id"].as_str().unwrap())
    }

    async fn get(&self, server: &Serving, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", server.base)).bearer_auth(&self.token);
        request.send().await.unwrap().json().await.unwrap()
    }

    /// The source once it has ended one way or the other, and the slowest answer on the way.
    async fn ended(&self, server: &Serving, path: &str) -> (Value, Duration) {
        let started = Instant::now();
        let mut slowest = Duration::ZERO;
        while started.elapsed() < Duration::from_mins(1) {
            let asked = Instant::now();
            let source = self.get(server, path).await;
            slowest = slowest.max(asked.elapsed());
            if source["status"] == "ready" || source["status"] == "failed" {
                return (source, slowest);
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} never ended");
    }
}

/// The most memory a process has had, in MB.
#[cfg(target_os = "linux")]
fn peak_mb(server: &Serving) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() >> 10
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_and_stays_small_while_a_bomb_is_parsed() {
    let (env, token) = prepared().await;
    let server = Serving::start(&env);
    let client = Client::new(token);
    let warm = client.upload(&server, Form::file("a.pdf", &pdf(&["Gold is a metal."]))).await;
    assert_eq!(client.ended(&server, &warm).await.0["status"], "ready");
    let before = peak_mb(&server);
    let bomb = client.upload(&server, Form::file("bomb.pdf", &pdf_bomb(4 << 30))).await;
    let (source, slowest) = client.ended(&server, &bomb).await;
    assert!(source["error"].as_str().unwrap().contains("MB of memory"), "{source}");
    assert!(slowest < Duration::from_secs(3), "an answer took {slowest:?}");
    let after = peak_mb(&server);
    assert!(after < before + 64, "the server grew from {before} to {after} MB");
    server.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn another_replica_parses_what_a_killed_one_began() {
    let (env, token) = prepared().await;
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("parser.sh");
    let begun = folder.path().join("begun");
    std::fs::write(&script, format!("#!/bin/sh\necho $$ > {}\nexec /bin/sleep 20\n", begun.display()))
        .unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let with = |more: &[(&str, &str)]| {
        let mut env = env.clone();
        env.insert("TANDEM__JOBS__LEASE_S".to_owned(), "3".to_owned());
        env.extend(more.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        env
    };
    let first = Serving::start(&with(&[("TANDEM__FILES__PARSER", script.to_str().unwrap())]));
    let client = Client::new(token);
    let path = client.upload(&first, Form::file("a.pdf", &pdf(&["Gold is a metal.", "Whales sing."]))).await;
    let started = Instant::now();
    while !begun.exists() {
        assert!(started.elapsed() < Duration::from_secs(20), "the parser never began");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    // Dropped, it is killed with SIGKILL.
    drop(first);
    // This one uses the program itself, as a deployment does.
    let mut command = tandem(&with(&[]), &["serve"]);
    command.env_remove("TANDEM__FILES__PARSER");
    let second = Serving::start_with(&mut command);
    let (source, _) = client.ended(&second, &path).await;
    assert_eq!(
        (source["status"].as_str(), source["documents"].as_i64()),
        (Some("ready"), Some(1)),
        "{source}"
    );
    second.stop();
}

#[tokio::test]
async fn ingest_reads_pages_and_pdfs_and_ask_names_the_page() {
    let (env, _) = prepared().await;
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let leaves = [
        "Gold is a metal. ".repeat(30),
        "A second signature is needed above five percent of equity.".to_owned(),
    ];
    std::fs::write(at("rules.pdf"), pdf(&leaves)).unwrap();
    std::fs::write(at("page.htm"), "<title>Sea</title><h1>Whales</h1><p>They sing.").unwrap();
    std::fs::write(at("image.png"), b"\x89PNG").unwrap();
    let path = folder.path().display().to_string();
    let said = run(&env, &["ingest", &path, "--owner", EMAIL]);
    assert!(said.starts_with("2 ingested"), "{said}");
    assert!(run(&env, &["ingest", &path, "--owner", EMAIL]).contains("2 unchanged"));
    let mut short = env.clone();
    short.insert("TANDEM__KNOWLEDGE__PASSAGE_TOKENS".to_owned(), "32".to_owned());
    std::fs::write(at("other.pdf"), pdf(&leaves)).unwrap();
    run(&short, &["ingest", at("other.pdf").to_str().unwrap(), "--owner", EMAIL]);
    let answer = run(&env, &["ask", "When is a second signature needed?", "--as", EMAIL]);
    assert!(answer.contains("] other, page 2"), "{answer}");

    std::fs::write(at("broken.pdf"), b"%PDF-1.4 nothing").unwrap();
    let output = tandem(&env, &["ingest", &path, "--owner", EMAIL]).output().unwrap();
    assert!(!output.status.success());
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("not ingested: broken.pdf: the PDF is damaged"), "{said}");
}
