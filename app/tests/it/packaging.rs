//! Dockerfile, docker-compose.yml and railway.toml: what they promise, and
//! what they start. No image is built here; the start commands run as they
//! are written, in an empty folder, with the environment of the file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tandem::config::Env;

use crate::process::Serving;
use crate::support::postgres::{self, Layout};

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// A Dockerfile's stages: instructions with their text, continued lines joined.
fn dockerfile() -> Vec<Vec<(String, String)>> {
    let joined = file("Dockerfile").replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut stages: Vec<Vec<(String, String)>> = Vec::new();
    for line in lines {
        let (instruction, text) = line.split_once(' ').unwrap();
        if instruction == "FROM" {
            stages.push(Vec::new());
        }
        stages.last_mut().unwrap().push((instruction.to_owned(), text.trim().to_owned()));
    }
    stages
}

/// The stage the image is made of, with that which it is based on.
fn image() -> Vec<(String, String)> {
    let stages = dockerfile();
    let name = |stage: &[(String, String)]| stage[0].1.split(" AS ").nth(1).unwrap().to_owned();
    let last = stages.last().unwrap();
    let base = last[0].1.split(' ').next().unwrap();
    let base = stages.iter().find(|stage| name(stage) == base).expect("the stage it is based on");
    base.iter().chain(last).cloned().collect()
}

fn instructions<'a>(stage: &'a [(String, String)], name: &str) -> Vec<&'a str> {
    stage.iter().filter(|(instruction, _)| instruction == name).map(|(_, text)| text.as_str()).collect()
}

fn list(text: &str) -> Vec<String> {
    serde_json::from_str(text).unwrap()
}

/// `NAME=value NAME=value`, as ENV writes it.
fn image_env() -> Env {
    let stage = image();
    let pairs = instructions(&stage, "ENV").into_iter().flat_map(str::split_whitespace);
    pairs
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn image_command() -> Vec<String> {
    let stage = image();
    assert!(instructions(&stage, "ENTRYPOINT").is_empty());
    list(instructions(&stage, "CMD").last().unwrap())
}

fn compose() -> Value {
    serde_yaml_ng::from_str(&file("docker-compose.yml")).unwrap()
}

fn compose_command() -> Vec<String> {
    serde_json::from_value(compose()["services"]["app"]["command"].clone()).unwrap()
}

/// As compose fills it in: `${NAME}`, `${NAME:-default}`, `${NAME:?message}`.
fn compose_env(given: &BTreeMap<&str, &str>) -> Result<Env, String> {
    let compose = compose();
    let entries = compose["services"]["app"]["environment"].as_object().unwrap().clone();
    entries.into_iter().map(|(name, value)| Ok((name, filled(value.as_str().unwrap(), given)?))).collect()
}

fn filled(text: &str, given: &BTreeMap<&str, &str>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inside, after) = after.split_once('}').unwrap();
        out.push_str(before);
        let name = inside.split(':').next().unwrap();
        let value = given.get(name).filter(|value| !value.is_empty());
        match (value, inside.split_once(":-"), inside.split_once(":?")) {
            (Some(value), ..) => out.push_str(value),
            (None, Some((_, default)), _) => out.push_str(default),
            (None, None, Some((_, message))) => return Err(format!("{name}: {message}")),
            (None, None, None) => {}
        }
        rest = after;
    }
    Ok(out + rest)
}

fn railway() -> toml::Table {
    file("railway.toml").parse().unwrap()
}

fn railway_command() -> Vec<String> {
    let railway = railway();
    railway["deploy"]["startCommand"].as_str().unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_says_how_it_is() {
    let stage = image();
    let user = instructions(&stage, "USER");
    assert!(user.last().is_some_and(|user| !["root", "0"].contains(user)), "{user:?}");
    let check = instructions(&stage, "HEALTHCHECK");
    let check = check.last().unwrap().split_once("CMD ").unwrap().1;
    assert_eq!(list(check), ["tandem", "health"]);
    let env = image_env();
    assert_eq!((env["HOST"].as_str(), env["APP_ENV"].as_str()), ("0.0.0.0", "production"));
    // Only what is needed comes from where it was built.
    let copied = instructions(&stage, "COPY");
    assert!(copied.iter().all(|copy| copy.starts_with("--from=build ")), "{copied:?}");
    assert!(copied.iter().any(|copy| copy.contains("models")) && dockerfile().len() >= 3);
    for text in ["Dockerfile", "docker-compose.yml", "railway.toml"].map(file) {
        assert!(!text.contains(":latest"), "an image without a version");
    }
    for folder in [".git", "target", ".cache", ".env", "data"] {
        assert!(file(".dockerignore").lines().any(|line| line == folder), "{folder}");
    }
}

#[test]
fn all_three_start_the_same_way() {
    assert_eq!(image_command(), ["tandem", "serve"]);
    assert_eq!(compose_command(), image_command());
    assert_eq!(railway_command(), ["env", "HOST=0.0.0.0", "tandem", "serve"]);
    let deploy = &railway()["deploy"];
    assert_eq!(deploy["healthcheckPath"].as_str(), Some("/health/ready"));
    assert_eq!(deploy["restartPolicyType"].as_str(), Some("ON_FAILURE"));
    assert_eq!(railway()["build"]["dockerfilePath"].as_str(), Some("Dockerfile"));
}

#[test]
fn compose_has_one_database_unless_two_are_asked_for_and_no_password_of_its_own() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    let without_profile: Vec<_> =
        services.iter().filter(|(_, service)| service["profiles"].is_null()).map(|(name, _)| name).collect();
    assert_eq!(without_profile, ["app", "core"]);
    assert_eq!(services["ai"]["profiles"][0], "two");
    for name in ["core", "ai"] {
        let database = &services[name];
        assert!(database["image"].as_str().unwrap().starts_with("pgvector/pgvector:0.8."));
        assert!(database["shm_size"].is_string() && database["healthcheck"]["test"].is_array(), "{name}");
        assert_eq!(database["environment"]["POSTGRES_PASSWORD"], "${POSTGRES_PASSWORD:?set it in .env}");
        assert!(database["ports"].is_null(), "a database is not published");
        let volume = database["volumes"][0].as_str().unwrap().split(':').next().unwrap();
        assert!(compose["volumes"].as_object().unwrap().contains_key(volume));
    }
    assert_eq!(services["app"]["depends_on"]["ai"]["required"], false);
    assert!(services["app"]["ports"][0].as_str().unwrap().starts_with("127.0.0.1:"));

    assert!(compose_env(&BTreeMap::new()).unwrap_err().contains("set it in .env"));
    let given = BTreeMap::from([("POSTGRES_PASSWORD", "abc"), ("JWT_SECRET", SECRET)]);
    let env = compose_env(&given).unwrap();
    assert_eq!(env["DATABASE_URL"], "postgres://tandem:abc@core:5432/core");
    assert_eq!((env["AI_DATABASE_URL"].as_str(), env["ALLOW_SINGLE_DATABASE"].as_str()), ("", "true"));
}

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The program alone in an empty folder, as in an image.
struct Alone {
    folder: tempfile::TempDir,
}

impl Alone {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::create_dir(folder.path().join("data")).unwrap();
        let (from, to) = (env!("CARGO_BIN_EXE_tandem"), folder.path().join("bin/tandem"));
        // A link where it can be: a copy that another test's fork holds open cannot be run.
        std::fs::hard_link(from, &to).or_else(|_| std::fs::copy(from, &to).map(|_| ())).unwrap();
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A command line as it is written. What differs from the file's environment
    /// is where things are here: the databases, the folders, a free port of the
    /// loopback interface.
    fn command(&self, line: &[String], env: &Env, urls: Option<&Env>) -> Command {
        let mut command = Command::new(&line[0]);
        if line[0] == "tandem" {
            command = Command::new(self.path("bin/tandem"));
        }
        let here = |argument: &String| argument.replace("HOST=0.0.0.0", "HOST=127.0.0.1");
        command.args(line[1..].iter().map(here)).env_clear().envs(env).current_dir(self.path("data"));
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        command.env("TANDEM_CACHE_DIR", postgres::cache_dir().canonicalize().unwrap());
        command.env("DATA_DIR", self.path("data")).env("HOST", "127.0.0.1").env("PORT", "0");
        for name in ["DATABASE_URL", "AI_DATABASE_URL"] {
            command.env_remove(name);
        }
        if let Some(urls) = urls {
            command.envs(urls);
        }
        command
    }

    async fn is_ready(&self, line: &[String], env: &Env, urls: Option<&Env>, mode: &str) {
        let server = Serving::start_with(&mut self.command(line, env, urls));
        let base = server.base.clone();
        let ready = reqwest::get(format!("{base}/health/ready")).await.unwrap();
        assert_eq!(ready.status(), 200);
        let body: Value = ready.json().await.unwrap();
        assert_eq!((body["status"].as_str(), body["mode"].as_str()), (Some("ok"), Some(mode)), "{body}");
        assert_eq!(body["vectors"]["space"], "local/all-MiniLM-L6-v2/384");
        let page = reqwest::get(format!("{base}/docs/")).await.unwrap().text().await.unwrap();
        assert!(page.contains("swagger-ui"));

        // What the image's HEALTHCHECK runs.
        let port = base.rsplit(':').next().unwrap();
        let check = ["tandem", "health"].map(str::to_owned);
        assert!(self.command(&check, env, urls).env("PORT", port).status().unwrap().success());
        server.stop();
        let output = self.command(&check, env, urls).env("PORT", port).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains("does not answer"), "{said}");
    }
}

#[tokio::test]
async fn the_image_s_command_serves_on_one_database_and_on_two() {
    let alone = Alone::new();
    let mut env = image_env();
    env.insert("JWT_SECRET".into(), SECRET.into());
    alone.is_ready(&image_command(), &env, Some(&postgres::empty(Layout::Dual).await.env()), "dual").await;
    let single = postgres::empty(Layout::Single).await.env();
    let output = alone.command(&image_command(), &env, Some(&single)).output().unwrap();
    assert!(
        String::from_utf8(output.stderr).unwrap().contains("ALLOW_SINGLE_DATABASE"),
        "one database is said"
    );
    env.insert("ALLOW_SINGLE_DATABASE".into(), "true".into());
    alone.is_ready(&image_command(), &env, Some(&single), "single").await;
}

#[tokio::test]
async fn compose_s_command_serves_on_one_database_and_on_two() {
    let alone = Alone::new();
    let mut given = BTreeMap::from([("POSTGRES_PASSWORD", "abc"), ("JWT_SECRET", SECRET)]);
    let mut env = image_env();
    env.extend(compose_env(&given).unwrap());
    let single = postgres::empty(Layout::Single).await.env();
    alone.is_ready(&compose_command(), &env, Some(&single), "single").await;
    given.insert("AI_DATABASE_URL", "postgres://tandem:abc@ai:5432/ai");
    env.extend(compose_env(&given).unwrap());
    let dual = postgres::empty(Layout::Dual).await.env();
    alone.is_ready(&compose_command(), &env, Some(&dual), "dual").await;
}

#[tokio::test]
async fn railway_s_command_serves_on_one_database_and_on_two() {
    let alone = Alone::new();
    // What its comment says to set, and nothing of the image.
    let mut env = Env::from([
        ("APP_ENV".to_owned(), "production".to_owned()),
        ("JWT_SECRET".to_owned(), SECRET.to_owned()),
        ("LOG_FORMAT".to_owned(), "json".to_owned()),
    ]);
    let dual = postgres::empty(Layout::Dual).await.env();
    alone.is_ready(&railway_command(), &env, Some(&dual), "dual").await;
    env.insert("ALLOW_SINGLE_DATABASE".into(), "true".into());
    let single = postgres::empty(Layout::Single).await.env();
    alone.is_ready(&railway_command(), &env, Some(&single), "single").await;
}

#[tokio::test]
async fn the_program_alone_serves_without_the_source_tree() {
    let alone = Alone::new();
    let env = Env::from([("LOG_FORMAT".to_owned(), "json".to_owned())]);
    alone.is_ready(&["tandem".to_owned(), "serve".to_owned()], &env, None, "embedded").await;
}
