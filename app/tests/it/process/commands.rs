//! The command line, as an operator uses it.

use std::os::unix::fs::PermissionsExt;

use sea_orm_migration::MigratorTrait;
use serde_json::Value;
use tandem::config::Env;

use super::{Serving, embedded_env, run, run_failing};
use crate::support::postgres::{self, Layout};

#[tokio::test]
async fn migrate_up_again_down_and_up_in_both_orders_and_modes() {
    for (layout, order) in
        [(Layout::Dual, ["core", "ai"]), (Layout::Single, ["core", "ai"]), (Layout::Single, ["ai", "core"])]
    {
        let env = postgres::empty(layout).await.env();
        let all = steps("core") + steps("ai");
        assert_eq!(pending(&env), all);
        for chain in order {
            run(&env, &["migrate", chain]);
        }
        assert_eq!(pending(&env), 0);
        run(&env, &["migrate"]);
        for chain in order {
            run(&env, &["migrate", chain, "--down", &steps(chain).to_string()]);
        }
        assert_eq!(pending(&env), all);
        run(&env, &["migrate", "all"]);
        assert_eq!(pending(&env), 0);
    }
}

fn steps(chain: &str) -> usize {
    match chain {
        "core" => migration_core::Migrator::migrations().len(),
        _ => migration_ai::Migrator::migrations().len(),
    }
}

fn pending(env: &Env) -> usize {
    let status: Value = serde_json::from_str(&run(env, &["migrate", "--status", "--json"])).unwrap();
    ["core", "ai"]
        .iter()
        .flat_map(|chain| status[chain].as_array().unwrap())
        .filter(|step| step["applied"] == false)
        .count()
}

#[tokio::test]
async fn serve_without_migrating_refuses_pending_steps() {
    let env = postgres::empty(Layout::Dual).await.env();
    let said = run_failing(&env, &["serve", "--no-migrate"]);
    assert!(said.contains("migrations are pending") && said.contains("tandem migrate"), "{said}");
}

#[tokio::test]
async fn another_embedding_model_is_refused_with_its_remedy() {
    let mut env = postgres::migrated(Layout::Dual).await.env();
    env.insert("EMBEDDING_PROVIDER".into(), "openai".into());
    env.insert("EMBEDDING_MODEL".into(), "text-embedding-3-small".into());
    env.insert("OPENAI_BASE_URL".into(), "http://127.0.0.1:9/v1".into());
    let said = run_failing(&env, &["migrate"]);
    assert!(said.contains("local/pocket") && said.contains("EMBEDDING_MODEL=pocket"), "{said}");
}

/// A demo user's only portfolio has its figures, and its snapshots end with the prices.
async fn demo_portfolio(base: &str, email: &str, token: &str) {
    let client = reqwest::Client::builder().build().unwrap();
    let get = async |path: String| -> Value {
        let answer = client.get(format!("{base}/api/v1{path}")).bearer_auth(token).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{email}: {path}");
        answer.json().await.unwrap()
    };
    let listed = get("/data/portfolios".to_owned()).await;
    let [portfolio] = listed["data"].as_array().unwrap().as_slice() else { panic!("{email}: {listed}") };
    let id = portfolio["id"].as_str().unwrap();
    let snapshot = get(format!("/data/portfolio/{id}/snapshot")).await["data"].clone();
    assert_eq!(snapshot["date"], "2022-12-28", "{email}: {snapshot}");
    assert_eq!(snapshot["total_value"], portfolio["total_value"], "{email}");
    assert_eq!(snapshot["is_complete"], true, "{email}");
    if email.starts_with("individual") {
        // Positions by the closes of 28 December 2022: 383,755.53; what is left of 485,000 after purchases of
        // 425,536.09 and a sale of 24,948.00: 84,411.91.
        let figures = [&portfolio["market_value"], &portfolio["cash_value"], &portfolio["total_value"]];
        assert_eq!(figures, [383_755.53, 84_411.91, 468_167.44], "{portfolio}");
    }
    let overview = get(format!("/analytics/portfolio/{id}/overview")).await["data"].clone();
    assert!(overview["performance"]["max_drawdown"].as_f64().unwrap() < 0.0, "{email}: {overview}");
}

#[tokio::test]
async fn the_demo_is_seeded_once_asked_and_refused_in_production() {
    let folder = tempfile::tempdir().unwrap();
    let mut env = embedded_env(folder.path());
    run(&env, &["seed", "--demo"]);
    let file = folder.path().join("demo-logins.txt");
    let logins = std::fs::read_to_string(&file).unwrap();
    assert_eq!(logins.lines().count(), 3);
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    run(&env, &["seed", "--demo"]);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), logins, "a second run changes nothing");

    // Beside a running server, commands attach to its Postgres.
    let server = Serving::start(&env);
    let answer = run(&env, &["ask", "What does market beta measure?"]);
    assert!(answer.contains("From your documents") && answer.contains("Sources\n  ["), "{answer}");
    let token = run(&env, &["token", "fund@demo.example"]);
    let listed = reqwest::Client::builder()
        .build()
        .unwrap()
        .get(format!("{}/api/v1/knowledge/sources?limit=200", server.base))
        .bearer_auth(token.trim())
        .send()
        .await
        .unwrap();
    let listed: Value = listed.json().await.unwrap();
    let sources = listed["items"].as_array().unwrap();
    assert!(sources.len() >= 30, "{}", sources.len());
    assert!(sources.iter().all(|source| source["status"] == "ready"), "{listed}");
    for line in logins.lines() {
        let (email, password) = line.split_once(' ').unwrap();
        let body = serde_json::json!({ "email": email, "password": password });
        let login = reqwest::Client::builder().build().unwrap();
        let login =
            login.post(format!("{}/api/v1/auth/login", server.base)).json(&body).send().await.unwrap();
        assert_eq!(login.status(), 200, "{email}");
        let login: Value = login.json().await.unwrap();
        demo_portfolio(&server.base, email, login["access_token"].as_str().unwrap()).await;
    }
    server.stop();

    env.insert("APP_ENV".into(), "production".into());
    env.insert("ALLOW_EMBEDDED".into(), "true".into());
    env.insert("JWT_SECRET".into(), "0123456789abcdef0123456789abcdef".into());
    assert!(run_failing(&env, &["seed", "--demo"]).contains("production"));
}

#[tokio::test]
async fn ingest_takes_folders_and_lines_and_skips_what_it_has() {
    let env = postgres::migrated(Layout::Dual).await.env();
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("one.md"), "# One\n\nThe first text is about bonds.").unwrap();
    std::fs::write(folder.path().join("two.txt"), "The second text is about shares.").unwrap();
    let path = folder.path().display().to_string();
    assert!(run(&env, &["ingest", &path]).starts_with("2 ingested"));
    assert!(run(&env, &["ingest", &path]).contains("2 unchanged"));

    let lines = folder.path().join("lines.jsonl");
    std::fs::write(
        &lines,
        "{\"id\":\"a\",\"text\":\"About gold.\"}\n{\"id\":\"b\",\"text\":\"\"}\nnot json\n",
    )
    .unwrap();
    let output = super::tandem(&env, &["ingest", "--jsonl", lines.to_str().unwrap()]).output().unwrap();
    assert!(!output.status.success(), "a wrong line is a failure");
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("1 ingested, 0 unchanged, 1 empty"), "{said}");
    assert!(said.contains(":3") || said.contains("line 3"), "the line is named: {said}");
}

#[tokio::test]
async fn users_are_made_and_admins_named() {
    let env = postgres::migrated(Layout::Dual).await.env();
    let made = run(&env, &["user", "create", "boss@example.com", "--admin", "--json"]);
    let made: Value = serde_json::from_str(&made).unwrap();
    assert!(made["password"].as_str().unwrap().len() >= 16);
    assert!(run_failing(&env, &["user", "create", "boss@example.com"]).contains("exists"));
    assert!(!run(&env, &["token", "boss@example.com"]).trim().is_empty());
    assert!(run_failing(&env, &["token", "nobody@example.com"]).contains("nobody@example.com"));

    run(&env, &["user", "create", "clerk@example.com"]);
    assert!(run(&env, &["user", "disable", "Clerk@example.com"]).contains("disabled"));
    assert!(run_failing(&env, &["token", "clerk@example.com"]).contains("no active user"));
    run(&env, &["user", "enable", "clerk@example.com"]);
    run(&env, &["token", "clerk@example.com"]);
    assert!(
        run_failing(&env, &["user", "disable", "boss@example.com"]).contains("last active administrator")
    );
    assert!(run_failing(&env, &["user", "disable", "nobody@example.com"]).contains("nobody@example.com"));
}

#[tokio::test]
async fn a_taken_port_and_an_unreachable_database_are_clear() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let env = postgres::migrated(Layout::Dual).await.env();
    let output = super::tandem(&env, &["serve"]).env("PORT", &port).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains(&port) && said.contains("PORT"), "{said}");

    let env = Env::from([("DATABASE_URL".to_owned(), "postgres://me:hidden@127.0.0.1:9/core".to_owned())]);
    let said = run_failing(&env, &["serve"]);
    assert!(said.contains("DATABASE_URL") && said.contains("127.0.0.1:9"), "{said}");
    assert!(!said.contains("hidden"), "{said}");
}
