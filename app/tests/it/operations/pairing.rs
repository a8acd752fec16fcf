//! Two databases that belong together, and those that do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};
use tandem::config::{Env, Settings};
use tandem::db::pair::{self, Pairing};
use tandem::db::{Databases, Purpose};

use super::{both, one};
use crate::process::{Serving, run, run_failing};
use crate::support::TestApp;
use crate::support::postgres::{self, Layout, Urls, copy_of, name_of, texts};

/// Migrated databases with a pair of their own (those of the template share one).
async fn own_pair(layout: Layout) -> Urls {
    let urls = postgres::empty(layout).await;
    run(&urls.env(), &["migrate"]);
    urls
}

/// Every command that opens databases refuses, and says why and what to do.
#[track_caller]
fn refused(env: &Env, words: &[&str]) {
    for command in [&["serve"][..], &["migrate"], &["token", "somebody@example.com"]] {
        let said = run_failing(env, command);
        for word in words.iter().chain(&["tandem pair"]) {
            assert!(said.contains(word), "{command:?} does not say {word:?}: {said}");
        }
    }
}

fn look(env: &Env) -> Value {
    serde_json::from_str(&run(env, &["pair", "--dry-run", "--json"])).unwrap()
}

#[track_caller]
fn mended(env: &Env, code: &str) {
    let before = look(env);
    assert_eq!((before["finding"]["code"].as_str(), &before["changed"]), (Some(code), &Value::Bool(false)));
    assert_eq!(look(env)["before"], before["before"], "a dry run changes nothing");
    let done: Value = serde_json::from_str(&run(env, &["pair", "--json"])).unwrap();
    assert_eq!(done["changed"], true, "{done}");
    run(env, &["migrate"]);
    assert_eq!(look(env)["finding"], Value::Null);
}

#[tokio::test]
async fn another_core_or_ai_is_refused_until_the_operator_pairs_them() {
    let (a, b) = (own_pair(Layout::Dual).await, own_pair(Layout::Dual).await);
    let (ai_a, ai_b) = (a.ai.clone().unwrap(), b.ai.clone().unwrap());
    let mixed = both(&a.core, &ai_b);
    refused(&mixed, &[&name_of(&a.core), &name_of(&ai_b), "does not belong"]);
    mended(&mixed, "another_pair");
    // The one that lost its partner notices.
    refused(&both(&b.core, &ai_b), &["does not belong"]);
    refused(&both(&a.core, &ai_a), &["does not belong"]);
    run(&mixed, &["pair"]);
    assert_eq!(look(&mixed)["finding"], Value::Null, "pairing a pair changes nothing");
}

#[tokio::test]
async fn an_empty_ai_is_no_substitute_and_stays_empty() {
    let core = own_pair(Layout::Dual).await.core;
    let empty = postgres::empty(Layout::Single).await.core;
    let env = both(&core, &empty);
    refused(&env, &[&name_of(&empty), "empty or new"]);
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(texts(&empty, tables).await, Vec::<String>::new());
    mended(&env, "new_ai");
}

#[tokio::test]
async fn a_new_core_does_not_take_over_an_ai() {
    let ai = own_pair(Layout::Dual).await.ai.unwrap();
    let env = both(&postgres::empty(Layout::Single).await.core, &ai);
    refused(&env, &["belongs to a core already"]);
    mended(&env, "new_core");
}

#[tokio::test]
async fn one_database_does_not_become_two_nor_two_one_by_a_variable() {
    let dual = own_pair(Layout::Dual).await;
    refused(&one(&dual.core), &["AI_DATABASE_URL is not set"]);
    mended(&one(&dual.core), "mode_changed");

    let single = own_pair(Layout::Single).await;
    let env = both(&single.core, &postgres::empty(Layout::Single).await.core);
    refused(&env, &["holds both schemas", "AI_DATABASE_URL"]);
    mended(&env, "mode_changed");
    refused(&one(&single.core), &["AI_DATABASE_URL is not set"]);
}

#[tokio::test]
async fn a_half_that_was_restored_is_refused_and_both_together_are_not() {
    let now = own_pair(Layout::Dual).await;
    let ai = now.ai.clone().unwrap();
    Serving::start(&now.env()).stop();
    let (core_then, ai_then) = (copy_of(&now.core).await, copy_of(&ai).await);
    let (core_then_too, ai_then_too) = (copy_of(&now.core).await, copy_of(&ai).await);
    Serving::start(&now.env()).stop();

    Serving::start(&both(&core_then_too, &ai_then_too)).stop();
    let core_restored = both(&core_then, &ai);
    refused(&core_restored, &["core", "was restored to an earlier point", "docs/restore.md"]);
    let ai_restored = both(&now.core, &ai_then);
    refused(&ai_restored, &["the ai database", "was restored to an earlier point", "docs/restore.md"]);
    Serving::start(&now.env()).stop();

    mended(&ai_restored, "ai_restored");
    Serving::start(&ai_restored).stop();
    mended(&core_restored, "core_restored");
    Serving::start(&core_restored).stop();
}

/// Ai as it was before a deletion: the deletion is done again, nothing else is.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_ai_forgets_again_what_was_deleted_since_and_keeps_the_rest() {
    let urls = own_pair(Layout::Dual).await;
    let ai = urls.ai.clone().unwrap();
    let (token, gone, kept) = {
        let app = TestApp::with().over(urls.clone()).start().await;
        let user = app.user().await;
        let mut ids = Vec::new();
        for content in ["I own gold.", "I own whales."] {
            let stored = user.post("/memories", json!({ "content": content })).await.expect(201);
            ids.push(stored["id"].as_str().unwrap().to_owned());
        }
        (user.token.clone().unwrap(), ids.remove(0), ids.remove(0))
    };
    Serving::start(&urls.env()).stop();
    let backup = copy_of(&ai).await;
    {
        let app = TestApp::with().over(urls.clone()).start().await;
        let user = app.anonymous().with_token(&token);
        user.delete(&format!("/memories/{gone}")).await.expect(204);
    }
    Serving::start(&urls.env()).stop();

    let restored = Urls { core: urls.core.clone(), ai: Some(backup) };
    let paired: Value = serde_json::from_str(&run(&restored.env(), &["pair", "--json"])).unwrap();
    assert_eq!((&paired["finding"]["code"], &paired["delivered_again"]), (&json!("ai_restored"), &json!(1)));
    run(&restored.env(), &["migrate"]);
    let app = TestApp::with().over(restored).start().await;
    let user = app.anonymous().with_token(&token);
    // Before anything is delivered it is not read any more.
    user.get(&format!("/memories/{gone}")).await.expect(404);
    app.run_outbox().await;
    let listed = user.get("/memories").await.expect(200);
    let ids: Vec<&Value> = listed["items"].as_array().unwrap().iter().map(|row| &row["id"]).collect();
    assert_eq!(ids, [&json!(kept)]);
}

async fn open(urls: &Urls) -> Databases {
    let mut env = postgres::base_env();
    env.extend(urls.env());
    Databases::open(&Settings::load(&env).unwrap(), Purpose::Command).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_that_count_meanwhile_are_never_a_mismatch() {
    let databases = open(&postgres::migrated(Layout::Dual).await).await;
    let stop = Arc::new(AtomicBool::new(false));
    let beating: Vec<_> = (0..3)
        .map(|_| {
            let (databases, stop) = (databases.clone(), Arc::clone(&stop));
            tokio::spawn(async move {
                let mut beats = 0;
                while !stop.load(Ordering::Relaxed) {
                    pair::beat(&databases.core, &databases.ai, databases.mode).await.unwrap();
                    beats += 1;
                }
                beats
            })
        })
        .collect();
    for _ in 0..100 {
        Pairing::check(&databases).await.unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    for beats in beating {
        assert!(beats.await.unwrap() > 5);
    }
}

#[tokio::test]
async fn a_restore_under_a_running_server_is_not_covered_up() {
    let urls = postgres::migrated(Layout::Dual).await;
    let databases = open(&urls).await;
    let beat = || pair::beat(&databases.core, &databases.ai, databases.mode);
    for _ in 0..3 {
        beat().await.unwrap();
    }
    let back = "UPDATE {} SET value = jsonb_set(value, '{epoch}', '1') WHERE key = 'pair'";
    postgres::execute(urls.ai.as_ref().unwrap(), &back.replace("{}", "ai_settings")).await;
    for _ in 0..3 {
        let said = beat().await.unwrap_err().to_string();
        assert!(said.contains("the ai database") && said.contains("restored"), "{said}");
    }
    assert!(Pairing::check(&databases).await.is_err(), "the next start refuses");

    pair::make(&databases).await.unwrap();
    beat().await.unwrap();
    postgres::execute(&urls.core, &back.replace("{}", "settings")).await;
    let said = beat().await.unwrap_err().to_string();
    assert!(said.contains("core") && said.contains("restored"), "{said}");
}

#[tokio::test]
async fn a_pair_left_half_made_is_completed() {
    let urls = own_pair(Layout::Dual).await;
    // As if the first start had been killed between the two databases.
    postgres::execute(urls.ai.as_ref().unwrap(), "DELETE FROM ai_settings").await;
    postgres::execute(
        &urls.core,
        "UPDATE settings SET value = jsonb_set(value, '{acked}', '0') WHERE key = 'pair'",
    )
    .await;
    run(&urls.env(), &["migrate"]);
    let found = look(&urls.env());
    assert_eq!(found["before"]["core"]["record"]["id"], found["before"]["ai"]["record"]["id"]);
    assert!(found["before"]["core"]["record"]["acked"].as_i64().unwrap() > 0, "{found}");
}

#[tokio::test]
async fn taking_ai_s_chain_back_and_forth_keeps_the_pair() {
    let urls = own_pair(Layout::Dual).await;
    let id = look(&urls.env())["before"]["core"]["record"]["id"].clone();
    let steps = <migration_ai::Migrator as sea_orm_migration::MigratorTrait>::migrations().len().to_string();
    run(&urls.env(), &["migrate", "ai", "--down", &steps]);
    run(&urls.env(), &["migrate"]);
    assert_eq!(look(&urls.env())["before"]["ai"]["record"]["id"], id);
}
