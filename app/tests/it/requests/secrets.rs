//! Known secrets are pushed through the program, and looked for in everything
//! that comes out of it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use reqwest::{Client, Method, StatusCode};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem::config::Env;

use crate::process::{run, tandem};
use crate::support::model::{ModelServer, Script};
use crate::support::postgres::{self, Layout};
use crate::support::wire::Wire;

const PATIENCE: Duration = Duration::from_mins(1);

/// What must never be seen, by name.
#[derive(Default)]
struct Secrets(BTreeMap<String, String>);

impl Secrets {
    fn add(&mut self, name: &str, value: &str) -> String {
        assert!(value.len() >= 12, "{name} is too short to be looked for");
        self.0.insert(name.to_owned(), value.to_owned());
        value.to_owned()
    }

    /// As it is, and as it is often written.
    fn forms(value: &str) -> Vec<String> {
        let mut forms = vec![value.to_owned(), value.escape_debug().to_string()];
        for engine in [&STANDARD, &STANDARD_NO_PAD, &URL_SAFE, &URL_SAFE_NO_PAD] {
            forms.push(engine.encode(value));
        }
        forms.push(form_urlencoded(value));
        forms.push(value.bytes().map(|byte| format!("{byte:02x}")).collect());
        forms
    }

    fn look(&self, place: &str, text: &str) {
        for (name, value) in &self.0 {
            for form in Self::forms(value) {
                if let Some(at) = text.find(&form) {
                    let from = text[..at].rfind('\n').map_or(0, |line| line + 1);
                    panic!("{name} stands in {place}: {}", text[from..].lines().next().unwrap_or_default());
                }
            }
        }
    }
}

fn form_urlencoded(value: &str) -> String {
    url::form_urlencoded::byte_serialize(value.as_bytes()).collect()
}

/// A program whose every word is kept.
struct Loud {
    child: Child,
    out: PathBuf,
    base: String,
}

impl Loud {
    fn start(env: &Env, format: &str, folder: &Path) -> Self {
        let out = folder.join(format!("{format}.log"));
        let mut command = tandem(env, &["serve"]);
        command.env("LOG_FORMAT", format).env("LOG_LEVEL", "trace");
        let child = to_file(&mut command, &out).spawn().unwrap();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let log = fs::read_to_string(&out).unwrap();
            let ready = log.lines().find(|line| line.contains("ready") && line.contains("127.0.0.1:"));
            if let Some(line) = ready {
                let port: String = line
                    .split("127.0.0.1:")
                    .nth(1)
                    .unwrap()
                    .chars()
                    .take_while(char::is_ascii_digit)
                    .collect();
                return Self { child, out, base: format!("http://127.0.0.1:{port}") };
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("not ready: {}", fs::read_to_string(&out).unwrap());
    }

    fn said(&self) -> String {
        fs::read_to_string(&self.out).unwrap()
    }

    /// Command lines of the process and of its children.
    fn command_lines(&self) -> String {
        let own = self.child.id().to_string();
        let mut lines = String::new();
        for entry in fs::read_dir("/proc").unwrap().filter_map(Result::ok) {
            let name = entry.file_name().to_string_lossy().into_owned();
            if !name.bytes().all(|byte| byte.is_ascii_digit()) {
                continue;
            }
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            let parent =
                stat.rsplit(')').next().unwrap_or_default().split_whitespace().nth(1).unwrap_or_default();
            if name == own || parent == own {
                let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
                lines.push_str(&String::from_utf8_lossy(&line));
                lines.push('\n');
            }
        }
        lines
    }
}

impl Drop for Loud {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Both outputs into one file.
fn to_file<'a>(command: &'a mut Command, path: &Path) -> &'a mut Command {
    let file = File::create(path).unwrap();
    command.stdout(file.try_clone().unwrap()).stderr(file)
}

/// Sends requests and looks at every answer.
struct Story<'a> {
    client: Client,
    base: String,
    seen: &'a mut Vec<(String, String)>,
}

impl Story<'_> {
    async fn send(&mut self, method: Method, path: &str, token: &str, body: Vec<u8>) -> (StatusCode, Value) {
        let mut request =
            self.client.request(method.clone(), format!("{}{path}", self.base)).bearer_auth(token);
        if !body.is_empty() {
            request = request.header("content-type", "application/json").body(body);
        }
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), format!("{:?}", response.headers()));
        let text = response.text().await.unwrap();
        let value = serde_json::from_str(&text).unwrap_or(Value::Null);
        self.seen.push((format!("the answer to {method} {path}"), format!("{headers}\n{text}")));
        (status, value)
    }

    async fn post(&mut self, path: &str, token: &str, body: Value) -> (StatusCode, Value) {
        self.send(Method::POST, path, token, body.to_string().into_bytes()).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_output_of_the_program_holds_a_secret() {
    for format in ["json", "pretty"] {
        sweep(format).await;
    }
}

async fn sweep(format: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = ModelServer::start().await;
    let mut secrets = Secrets::default();
    let env = environment(&server, &mut secrets).await;
    let program = Loud::start(&env, format, folder.path());
    let mut seen = Vec::new();
    let mut story = Story {
        client: Client::builder().timeout(PATIENCE).build().unwrap(),
        base: program.base.clone(),
        seen: &mut seen,
    };
    let answers = use_everything(&mut story, &server, &mut secrets).await;
    // Where a token is given to its owner it stands, of course.
    seen.retain(|(place, _)| !answers.contains(place));
    for (place, text) in &seen {
        secrets.look(place, text);
    }
    secrets.look("the command lines", &program.command_lines());
    let said = program.said();
    assert!(said.len() > 1000, "{said}");
    secrets.look(&format!("the output, {format}"), &said);
}

/// A login of its own, and every secret variable set.
async fn environment(server: &ModelServer, secrets: &mut Secrets) -> Env {
    let urls = postgres::migrated(Layout::Dual).await;
    let unique = uuid::Uuid::now_v7().simple().to_string();
    let role = format!("swept_{}", &unique[16..]);
    let password = secrets.add("the database password", &format!("db-pass+word/{unique}"));
    postgres::operator(&urls.core)
        .execute_unprepared(&format!("CREATE ROLE {role} LOGIN SUPERUSER PASSWORD '{password}'"))
        .await
        .unwrap();
    let mut env = Env::new();
    let mut set = |name: &str, value: String| env.insert(name.to_owned(), value);
    set("DATABASE_URL", postgres::with_login(&urls.core, &role, &password));
    set("AI_DATABASE_URL", postgres::with_login(urls.ai.as_ref().unwrap(), &role, &password));
    set("JWT_SECRET", secrets.add("JWT_SECRET", &format!("jwt-secret-{unique}-long-enough")));
    set("METRICS_KEY", secrets.add("METRICS_KEY", &format!("metrics-key-{unique}")));
    set("OPENAI_API_KEY", secrets.add("OPENAI_API_KEY", &format!("sk-provider-{unique}")));
    let userinfo = secrets.add("the password of OPENAI_BASE_URL", &format!("base-url-{unique}"));
    let mut url = server.url();
    url.set_username("somebody").unwrap();
    url.set_password(Some(&userinfo)).unwrap();
    set("OPENAI_BASE_URL", url.to_string());
    set("TANDEM__MODELS__RETRIES", "0".to_owned());
    env
}

/// Success and failure; returns the places where tokens are given to their owner.
async fn use_everything(story: &mut Story<'_>, server: &ModelServer, secrets: &mut Secrets) -> Vec<String> {
    let password = secrets.add("the user's password", "pa55-of-the-user \"quoted\"");
    let login = json!({ "email": "swept@example.com", "password": password });
    assert_eq!(story.post("/api/v1/auth/register", "x", login.clone()).await.0, 201);
    let (_, session) = story.post("/api/v1/auth/login", "x", login.clone()).await;
    let access = secrets.add("the access token", session["access_token"].as_str().unwrap());
    let first = secrets.add("the refresh token", session["refresh_token"].as_str().unwrap());
    let (_, session) = story.post("/api/v1/auth/refresh", "x", json!({ "refresh_token": first })).await;
    secrets.add("the second access token", session["access_token"].as_str().unwrap());
    secrets.add("the second refresh token", session["refresh_token"].as_str().unwrap());
    let mut given = vec![
        "the answer to POST /api/v1/auth/login".to_owned(),
        "the answer to POST /api/v1/auth/refresh".to_owned(),
    ];
    let (status, made) = story
        .post("/api/v1/auth/api-keys", &access, json!({ "name": "swept", "scopes": ["chat:read"] }))
        .await;
    assert_eq!(status, 201, "{made}");
    let api_key = secrets.add("the API key", made["key"].as_str().unwrap());
    given.push("the answer to POST /api/v1/auth/api-keys".to_owned());
    assert_eq!(story.send(Method::GET, "/api/v1/chat/conversations", &api_key, Vec::new()).await.0, 200);
    assert_eq!(story.send(Method::GET, "/api/v1/memories", &api_key, Vec::new()).await.0, 403);
    assert_eq!(story.send(Method::GET, "/api/v1/memories", &format!("{api_key}x"), Vec::new()).await.0, 401);
    wrong_requests(story, &access, &password).await;

    // A provider that repeats the key, then one that answers.
    let key = secrets.0["OPENAI_API_KEY"].clone();
    let words = json!({ "error": { "message": format!("no such key: {key}") } }).to_string();
    server.push(Script::raw(401, words));
    story.post("/api/v1/chat/send", &access, json!({ "text": "fails" })).await;
    server.push(Script::raw(500, format!("<html>{key}</html>")));
    story.post("/api/v1/chat/send", &access, json!({ "text": "fails again" })).await;
    assert_eq!(story.post("/api/v1/chat/send", &access, json!({ "text": "works" })).await.0, 200);
    let metrics = secrets.0["METRICS_KEY"].clone();
    assert_eq!(story.send(Method::GET, "/metrics", &metrics, Vec::new()).await.0, 200);
    for path in ["/metrics", "/health", "/health/ready", "/openapi.json", "/docs/", "/api/v1/auth/me"] {
        story.send(Method::GET, path, &access, Vec::new()).await;
    }
    given
}

async fn wrong_requests(story: &mut Story<'_>, access: &str, password: &str) {
    let wrong = json!({ "email": "swept@example.com", "password": format!("{password}!") });
    assert_eq!(story.post("/api/v1/auth/login", "x", wrong).await.0, 401);
    let unknown = json!({ "email": "swept@example.com", "password": password, "otp": password });
    assert_eq!(story.post("/api/v1/auth/login", "x", unknown).await.0, 422);
    for body in [
        format!("{{\"email\": \"swept@example.com\", \"password\": \"{password}"),
        password.to_owned(),
        format!("{{\"password\": {{\"a\": \"{password}\"}}}}"),
        format!("{{\"email\": 7, \"password\": [\"{password}\"]}}"),
    ] {
        let (status, _) = story.send(Method::POST, "/api/v1/auth/login", "x", body.into_bytes()).await;
        assert!(status.is_client_error());
    }
    // Tokens that are almost right.
    for token in [format!("{access}x"), access[..access.len() - 3].to_owned(), access.replace('.', "-")] {
        assert_eq!(story.send(Method::GET, "/api/v1/auth/me", &token, Vec::new()).await.0, 401);
    }
    let body = json!({ "refresh_token": access });
    assert_eq!(story.post("/api/v1/auth/refresh", "x", body).await.0, 401);
    let missing = format!("/api/v1/nothing/{}", uuid::Uuid::now_v7());
    assert_eq!(story.send(Method::GET, &missing, access, Vec::new()).await.0, 404);
}

/// S1-54, S1-60: a smoke run's log is clean; then databases go away, and the
/// log says which, without how one gets in.
#[tokio::test(flavor = "multi_thread")]
async fn a_smoke_run_leaves_a_clean_log_and_an_outage_names_its_database() {
    let folder = tempfile::tempdir().unwrap();
    let urls = postgres::migrated(Layout::Dual).await;
    let (core, ai) = (Wire::to(&urls.core).await, Wire::to(urls.ai.as_ref().unwrap()).await);
    let password: url::Url = urls.core.parse().unwrap();
    let password = password.password().unwrap_or("no password").to_owned();
    let mut env = Env::new();
    env.insert("DATABASE_URL".to_owned(), core.url().to_owned());
    env.insert("AI_DATABASE_URL".to_owned(), ai.url().to_owned());
    // Without an administrator every start warns.
    run(&env, &["user", "create", "boss@example.com", "--admin"]);
    let program = Loud::start(&env, "json", folder.path());
    let mut seen = Vec::new();
    let mut story = Story {
        client: Client::builder().timeout(PATIENCE).build().unwrap(),
        base: program.base.clone(),
        seen: &mut seen,
    };
    let login = json!({ "email": "smoke@example.com", "password": "a long password" });
    story.post("/api/v1/auth/register", "x", login.clone()).await;
    let (_, session) = story.post("/api/v1/auth/login", "x", login).await;
    let access = session["access_token"].as_str().unwrap().to_owned();
    let source = json!({ "title": "Bonds", "text": "Bonds pay interest." });
    assert_eq!(story.post("/api/v1/knowledge/sources", &access, source).await.0, 202);
    assert_eq!(story.post("/api/v1/memories", &access, json!({ "content": "I like bonds." })).await.0, 201);
    assert_eq!(
        story.post("/api/v1/chat/send", &access, json!({ "text": "What do bonds pay?" })).await.0,
        200
    );
    let search = json!({ "query": "bonds" });
    assert_eq!(story.post("/api/v1/knowledge/search", &access, search.clone()).await.0, 200);
    let levels = |log: &str| -> Vec<String> {
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines
            .filter(|line| ["WARN", "ERROR"].contains(&line["level"].as_str().unwrap()))
            .map(|line| line.to_string())
            .collect()
    };
    assert_eq!(levels(&program.said()), Vec::<String>::new());

    ai.cut();
    assert_eq!(story.post("/api/v1/knowledge/search", &access, search).await.0, 503);
    core.cut();
    assert_eq!(story.send(Method::GET, "/api/v1/auth/me", &access, Vec::new()).await.0, 503);
    let said = levels(&program.said()).join("\n");
    assert!(said.contains("the ai database") && said.contains("the core database"), "{said}");
    assert!(
        !program.said().contains(&password) && !program.said().contains("postgres://"),
        "{}",
        program.said()
    );
}

/// A start that fails says why, and shows nothing of what it was given.
#[tokio::test]
async fn a_wrong_secret_is_named_and_not_shown() {
    let secret = "hunter2-hunter2";
    let good = postgres::migrated(Layout::Dual).await.env();
    let cases: Vec<(&str, Vec<(&str, String)>)> = vec![
        ("METRICS_KEY", vec![("METRICS_KEY", secret.to_owned())]),
        ("JWT_SECRET", vec![("JWT_SECRET", secret.to_owned())]),
        ("OPENAI_API_KEY", vec![("OPENAI_API_KEY", format!("{secret}\nx"))]),
        ("OPENAI_BASE_URL", vec![("OPENAI_BASE_URL", format!("http://me:{secret}@:99999/v1"))]),
        ("OPENAI_BASE_URL", vec![("OPENAI_BASE_URL", format!("ftp://me:{secret}@host/v1"))]),
        ("OPENAI_BASE_URL", vec![("TANDEM__MODELS__OPENAI_BASE_URL", format!("://me:{secret}@host"))]),
        ("DATABASE_URL", vec![("DATABASE_URL", format!("mysql://me:{secret}@host/core"))]),
        ("DATABASE_URL", vec![("DATABASE_URL", format!("postgres://me:{secret}@host:port/core"))]),
        ("DATABASE_URL", vec![("DATABASE_URL", format!("postgres://me:{secret}@127.0.0.1:9/core"))]),
        (
            "DATABASE_URL",
            vec![("DATABASE_URL", format!("postgres://me:{secret}@127.0.0.1:9/core?sslmode={secret}"))],
        ),
        ("AI_DATABASE_URL", vec![("AI_DATABASE_URL", format!("postgres//me:{secret}@host/ai"))]),
    ];
    for (named, pairs) in cases {
        let mut env = good.clone();
        env.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        let output = tandem(&env, &["ask", "anything"]).env("LOG_LEVEL", "trace").output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success(), "{pairs:?} was taken: {said}");
        assert!(!said.contains("hunter2"), "{pairs:?}: {said}");
        assert!(said.contains(named), "{pairs:?}: {named} is not named: {said}");
    }
}

/// Folders that are not the project's text.
const PASSED_OVER: [&str; 5] = ["target", ".git", ".cache", "data", "node_modules"];

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().filter_map(Result::ok) {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if entry.file_type().unwrap().is_dir() {
            if !PASSED_OVER.contains(&name.as_str()) {
                files(&path, found);
            }
        } else {
            found.push(path);
        }
    }
}

/// Words after `start` that are made of key characters.
fn long_words<'a>(line: &'a str, start: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    let is_key = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/' | '+' | '=');
    let places: Vec<usize> = line.match_indices(start).map(|(at, _)| at).collect();
    places.into_iter().map(move |at| {
        let rest = &line[at..];
        &rest[..rest.find(|c| !is_key(c)).unwrap_or(rest.len())]
    })
}

fn looks_random(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    let upper = word.chars().filter(char::is_ascii_uppercase).count();
    let lower = word.chars().filter(char::is_ascii_lowercase).count();
    digits >= 3 && upper >= 3 && lower >= 3
}

/// Passwords that are meant to be read.
const SHOWN: [&str; 12] = [
    "", "{", "}", "$", "hidden", "hunter2", "PASSWORD", "password", "secret", "not-used", "postgres",
    "tandem",
];

fn finding(line: &str) -> Option<String> {
    if line.contains("-----BEGIN") && line.contains(concat!("PRIVATE ", "KEY-----")) {
        return Some("a private key".to_owned());
    }
    for (start, length) in [
        ("sk-", 40),
        ("AKIA", 20),
        ("ghp_", 36),
        ("github_pat_", 40),
        ("xoxb-", 30),
        ("glpat-", 20),
        ("eyJ", 60),
    ] {
        if let Some(word) = long_words(line, start).find(|word| word.len() >= length && looks_random(word)) {
            return Some(format!("a key that begins with {}", &word[..8]));
        }
    }
    for scheme in ["postgres://", "postgresql://", "postgresql+asyncpg://"] {
        for (at, _) in line.match_indices(scheme) {
            let rest = &line[at + scheme.len()..];
            let Some((userinfo, host)) = rest.split_once('@') else { continue };
            let Some((_, password)) = userinfo.split_once(':') else { continue };
            if password.len() > 80 || password.contains([' ', '"', '\'', '`']) {
                continue;
            }
            let local = [
                "127.0.0.1",
                "localhost",
                "host",
                "db",
                "core",
                "ai",
                "postgres",
                "x",
                "h",
                "{",
                "HOST",
                "[",
            ];
            let is_local = local.iter().any(|name| host.starts_with(name));
            if !is_local
                && !SHOWN
                    .iter()
                    .any(|shown| password == *shown || (!shown.is_empty() && password.contains(shown)))
            {
                return Some(format!("a password for {}", host.chars().take(20).collect::<String>()));
            }
        }
    }
    None
}

#[test]
fn the_repository_holds_no_secret() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = Vec::new();
    files(&root, &mut all);
    let mut read = 0;
    for path in all {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        read += 1;
        for (number, line) in text.lines().enumerate() {
            if let Some(what) = finding(line) {
                panic!("{}:{}: {what}", path.display(), number + 1);
            }
        }
    }
    assert!(read > 200, "only {read} files were read");
}

#[test]
fn the_scan_finds_what_it_is_for() {
    let random = "Ab3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0eF3hI6kL9nO2qR5tU8wX1zA4cD7fG0iJ3l";
    for line in [
        format!("OPENAI_API_KEY=sk-{random}"),
        format!("token: ghp_{random}"),
        format!("-----BEGIN RSA {} KEY-----", "PRIVATE"),
        format!("url = \"postgresql://admin:{random}@containers-us-west.example.app:5432/railway\""),
        format!("Bearer eyJhbGciOiJIUzI1NiJ9.{random}"),
    ] {
        assert!(finding(&line).is_some(), "{line}");
    }
    for line in
        ["postgres://USER:PASSWORD@HOST:5432/DATABASE", "sk-secret-of-the-tests", "a task-oriented thing"]
    {
        assert_eq!(finding(line), None, "{line}");
    }
}

/// S3-46: vectors live in Postgres; nothing of another store is left.
#[test]
fn there_is_one_vector_store() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut all = vec![root.join("Cargo.lock")];
    for folder in ["app/src", "app/config", "entity", "migration_core", "migration_ai", "scripts"] {
        files(&root.join(folder), &mut all);
    }
    for path in all {
        let Ok(text) = fs::read_to_string(&path) else { continue };
        for store in ["qdrant", "chroma", "pinecone", "weaviate", "milvus", "lancedb", "faiss"] {
            assert!(!text.to_lowercase().contains(store), "{} names {store}", path.display());
        }
    }
}
