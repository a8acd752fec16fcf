//! `kill -9` of whoever makes the vectors, twice on the way.

use std::process::Stdio;

use serde_json::json;
use tandem::config::Env;

use super::*;
use crate::process::{Serving, run, run_failing, tandem};
use crate::support::model::Script;

const SOURCES: usize = 700;

async fn filled(app: &TestApp) -> i64 {
    let column = "SELECT count(*) FROM pg_attribute WHERE attname = 'embedding_next' AND NOT attisdropped";
    if said(app, column).await == "0" {
        return 0;
    }
    said(app, "SELECT count(embedding_next) FROM ai_kb_documents").await.parse().unwrap()
}

async fn until_filled(app: &TestApp, rows: i64) {
    let begun = Instant::now();
    while filled(app).await < rows {
        assert!(begun.elapsed() < Duration::from_mins(1), "{} of {rows}", filled(app).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn environment(app: &TestApp, server: &ModelServer) -> Env {
    let mut env = app.urls.env();
    for (name, value) in [("OPENAI_BASE_URL", server.url().as_str()), ("TANDEM__JOBS__LEASE_S", "1")] {
        env.insert(name.to_owned(), value.to_owned());
    }
    env
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_is_killed_twice_goes_on_where_it_was() {
    const CHANGE: [&str; 7] =
        ["reembed", "--provider", "openai", "--model", "scripted", "--dimensions", "48"];
    let server = ModelServer::start().await;
    server.always_embeddings(Script::reply([""; 0]).first_after(Duration::from_millis(400)));
    let app = with(&server).start().await;
    let user = app.user().await;
    sources(&app, &user, 0..SOURCES).await;
    memories(&user, 0..20).await;
    let env = environment(&app, &server);

    let dry = run(&env, &[&CHANGE[..], &["--dry-run"]].concat());
    assert!(dry.contains("720 texts") && dry.contains("price unknown"), "{dry}");
    assert_eq!(said(&app, "SELECT count(*) FROM ai_embedding_spaces").await, "1");

    // The command is killed; then a server that goes on by itself.
    let mut command = tandem(&env, &CHANGE).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    until_filled(&app, 1).await;
    command.kill().unwrap();
    command.wait().unwrap();
    let after_first = filled(&app).await;
    assert!(after_first < SOURCES.try_into().unwrap(), "it was done already");
    assert_eq!(after_first % 100, 0, "a hundred rows at a time, all of them or none");
    let victim = user.post("/knowledge/search", json!({"query": text(1), "limit": 1})).await.expect(200);
    let victim = victim["hits"][0]["source_id"].as_str().unwrap().to_owned();
    user.delete(&format!("/knowledge/sources/{victim}")).await.expect(204);
    user.post("/memories", json!({"external_id": "m3", "content": "edited between two deaths"}))
        .await
        .expect(200);
    let serving = tokio::task::spawn_blocking({
        let env = env.clone();
        move || Serving::start(&env)
    });
    let serving = serving.await.unwrap();
    until_filled(&app, after_first + 1).await;
    serving.signal(nix::sys::signal::Signal::SIGKILL);
    drop(serving);
    let after_second = filled(&app).await;
    assert!(after_second < SOURCES.try_into().unwrap(), "it was done already");

    // The same command once more ends it, and switches.
    server.always_embeddings(Script::reply([""; 0]));
    let asked = server.requests().len();
    let said_then = run(&env, &[&CHANGE[..], &["--switch"]].concat());
    assert!(said_then.contains("active    openai/scripted/48, 719 of 719 rows"), "{said_then}");
    assert!(said_then.contains("EMBEDDING_MODEL=scripted and EMBEDDING_DIMENSIONS=48"), "{said_then}");
    let texts: usize = server.requests()[asked..]
        .iter()
        .map(|request| request.body["input"].as_array().unwrap().len())
        .sum();
    let left = SOURCES + 20 - usize::try_from(after_second).unwrap();
    assert!(texts <= left + 64 + 20, "what was made was made again: {texts} for {left}");
    all_are_scripted(app.ai(), "embedding", LENGTH).await;
    let gone = format!("SELECT count(*) FROM ai_kb_documents WHERE source_id = '{victim}'");
    assert_eq!(said(&app, &gone).await, "0");

    configurations(&app, &env).await;
}

/// Which configurations start after a switch.
async fn configurations(app: &TestApp, env: &Env) {
    // A start with the old configuration works, and says what to set; one with neither is refused.
    let doctor = run(env, &["doctor"]);
    assert!(
        doctor.contains("openai/scripted/48 is searched, the configuration still names local/pocket/384"),
        "{doctor}"
    );
    let mut other = env.clone();
    other.insert("EMBEDDING_PROVIDER".to_owned(), "openai".to_owned());
    other.insert("EMBEDDING_MODEL".to_owned(), "text-embedding-3-small".to_owned());
    let refusal = run_failing(&other, &["migrate", "ai"]);
    assert!(refusal.contains("openai/scripted with 48") && refusal.contains("tandem reembed"), "{refusal}");
    let back = run(env, &["reembed", "rollback"]);
    assert!(back.contains("active    local/pocket/384, 719 of 719 rows"), "{back}");
    all_are_local(app).await;
    // Given up, only the configuration of the active space is accepted.
    run(env, &["reembed", "switch"]);
    run(env, &["reembed", "abort"]);
    let refusal = run_failing(env, &["migrate", "ai"]);
    assert!(refusal.contains("EMBEDDING_PROVIDER=openai and EMBEDDING_MODEL=scripted"), "{refusal}");
    let status = {
        let mut env = env.clone();
        for (name, value) in [
            ("EMBEDDING_PROVIDER", "openai"),
            ("EMBEDDING_MODEL", "scripted"),
            ("EMBEDDING_DIMENSIONS", "48"),
        ] {
            env.insert(name.to_owned(), value.to_owned());
        }
        run(&env, &["doctor"]);
        run(&env, &["reembed", "status"])
    };
    assert!(status.contains("retired   local/pocket/384, no rows"), "{status}");
}
