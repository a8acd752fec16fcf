//! Rows whose other half is gone: counted, quarantined, repaired, or left alone when they are too many.

use sea_orm::{ConnectionTrait, DatabaseConnection};
use serde_json::{Value, json};
use tandem::admin::links::{self, Options, Report, Verdict};
use tandem::auth;
use uuid::Uuid;

use crate::outbox::{count, count_of, patient};
use crate::process::tandem as program;
use crate::support::TestApp;
use crate::support::user::TestUser;

async fn check(app: &TestApp, repair: bool) -> Report {
    links::check(&app.state, Options { repair, limit: None }).await.unwrap()
}

/// Orphans by table and reason, those there are none of left out.
fn orphans(report: &Report) -> Vec<(&str, &str, u64)> {
    let counts = report.links.iter().map(|link| (link.table.as_str(), link.reason.as_str(), link.orphans));
    counts.filter(|(_, _, orphans)| *orphans > 0).collect()
}

async fn quarantined(ai: &DatabaseConnection) -> i64 {
    count(ai, "SELECT count(*) FROM ai_quarantine").await
}

async fn a_week_later(app: &TestApp) {
    let age = "UPDATE ai_quarantine SET first_seen_at = first_seen_at - interval '7 days'";
    app.ai().execute_unprepared(age).await.unwrap();
}

/// An orphan of every kind, beside a user with one of everything that is whole.
async fn orphaned(app: &TestApp) -> TestUser {
    let user = app.user().await;
    let body = json!({ "title": "Goldbook", "text": "Gold is a precious metal." });
    user.post("/knowledge/sources", body).await.expect(202);
    app.run_jobs().await;
    let conversation = user.conversation().await;
    user.ask(&conversation, "Please remember that I drink tea.").await.expect(200);
    let answer = user.ask(&conversation, "What is gold?").await.expect(200);
    assert!(!answer["citations"].as_array().unwrap().is_empty(), "{answer}");
    user.post("/memories", json!({ "content": "I own gold." })).await.expect(201);
    let message = answer["assistant_message_id"].as_str().unwrap();
    user.put(&format!("/chat/messages/{message}/feedback"), json!({ "rating": "up" })).await.expect(200);
    assert_eq!(check(app, false).await.verdict, Verdict::Clean);
    let gone = Uuid::now_v7();
    let of_ai = format!(
        "INSERT INTO ai_feedback (id, message_id, conversation_id, user_id, rating)
         VALUES (gen_random_uuid(), '{gone}', '{gone}', '{user}', 'up');
         INSERT INTO ai_kb_sources (id, owner_id, scope, title, media_type, content, content_hash, status)
         VALUES (gen_random_uuid(), '{gone}', 'user', 'T', 'text/plain', 'x', '', 'ready');
         INSERT INTO ai_memories (id, owner_id, scope, content, content_hash, origin, source_message_id)
         VALUES (gen_random_uuid(), '{user}', 'user', 'orphan', '', 'chat', '{gone}')",
        user = user.id
    );
    app.ai().execute_unprepared(&of_ai).await.unwrap();
    let of_core = format!(
        "INSERT INTO citations (id, message_id, ordinal, index, document_id, source_id, title, quote, span_start, span_end)
         VALUES (gen_random_uuid(), '{message}', 90, 1, '{gone}', '{gone}', 'Silverbook', 'Silver.', 0, 1)"
    );
    app.core().execute_unprepared(&of_core).await.unwrap();
    user
}

const ONE_OF_EACH: [(&str, &str, u64); 4] = [
    ("ai_feedback", "message_gone", 1),
    ("ai_kb_sources", "owner_gone", 1),
    ("ai_memories", "message_gone", 1),
    ("citations", "source_gone", 1),
];

#[tokio::test]
async fn orphans_of_both_databases_are_quarantined_a_week_and_repaired() {
    let app = patient().await;
    let user = orphaned(&app).await;
    let report = check(&app, true).await;
    assert_eq!((report.verdict, orphans(&report)), (Verdict::Orphans, ONE_OF_EACH.to_vec()));
    assert_eq!(quarantined(app.ai()).await, 4);
    assert!(report.links.iter().all(|link| link.repaired == 0), "{report:?}");
    a_week_later(&app).await;
    let report = check(&app, false).await;
    assert_eq!(report.verdict, Verdict::Orphans, "only --repair repairs");
    let report = check(&app, true).await;
    assert_eq!((report.verdict, orphans(&report)), (Verdict::Clean, ONE_OF_EACH.to_vec()));
    let report = check(&app, true).await;
    assert_eq!((report.verdict, orphans(&report)), (Verdict::Clean, Vec::new()));
    assert_eq!(quarantined(app.ai()).await, 0);
    // The rows of the living are as they were, and the orphans repaired as their kind asks.
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_feedback").await, 1);
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_kb_sources").await, 1);
    assert_eq!(user.get("/memories").await.expect(200)["items"].as_array().unwrap().len(), 3);
    let linked = "SELECT count(*) FROM ai_memories WHERE source_message_id IS NOT NULL";
    assert_eq!(count(app.ai(), linked).await, 1);
    let emptied = "SELECT count(*) FROM citations WHERE deleted AND title = '' AND quote = ''";
    assert_eq!(count(app.core(), emptied).await, 1);
    assert_eq!(count(app.core(), "SELECT count(*) FROM citations WHERE title = 'Goldbook'").await, 1);
}

#[tokio::test]
async fn rows_of_an_account_that_vanished_are_found() {
    let app = patient().await;
    let user = orphaned(&app).await;
    app.core().execute_unprepared(&format!("DELETE FROM users WHERE id = '{}'", user.id)).await.unwrap();
    let report = links::check(&app.state, Options { repair: true, limit: Some(10) }).await.unwrap();
    let expected = [
        ("ai_feedback", "message_gone", 2),
        ("ai_feedback", "user_gone", 2),
        ("ai_kb_sources", "owner_gone", 2),
        ("ai_memories", "owner_gone", 3),
        ("ai_memories", "message_gone", 2),
    ];
    assert_eq!(orphans(&report), expected);
    a_week_later(&app).await;
    let report = links::check(&app.state, Options { repair: true, limit: Some(10) }).await.unwrap();
    assert_eq!(orphans(&report).len(), 5);
    for table in ["ai_feedback", "ai_kb_sources", "ai_kb_documents", "ai_memories", "ai_quarantine"] {
        assert_eq!(count(app.ai(), &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_row_that_is_no_orphan_any_more_leaves_quarantine() {
    let app = patient().await;
    orphaned(&app).await;
    check(&app, true).await;
    let owner = app.user().await;
    let adopted = "UPDATE ai_kb_sources SET owner_id = $1 WHERE content = 'x' RETURNING 1::bigint";
    count_of(app.ai(), adopted, [owner.id.into()]).await;
    a_week_later(&app).await;
    check(&app, false).await;
    assert_eq!(quarantined(app.ai()).await, 3);
    assert_eq!(count(app.ai(), "SELECT count(*) FROM ai_kb_sources").await, 2);
}

#[tokio::test]
async fn too_many_orphans_of_a_table_stop_everything() {
    let app = patient().await;
    orphaned(&app).await;
    check(&app, true).await;
    a_week_later(&app).await;
    let second = format!(
        "INSERT INTO ai_memories (id, owner_id, scope, content, content_hash, origin)
         VALUES (gen_random_uuid(), '{}', 'user', 'second orphan', '', 'user')",
        Uuid::now_v7()
    );
    app.ai().execute_unprepared(&second).await.unwrap();
    let report = check(&app, true).await;
    assert_eq!(report.verdict, Verdict::Stopped);
    assert!(report.stopped.as_ref().unwrap().contains("ai_memories"), "{report:?}");
    assert!(report.links.iter().all(|link| link.repaired == 0));
    assert_eq!(
        (quarantined(app.ai()).await, count(app.ai(), "SELECT count(*) FROM ai_feedback").await),
        (4, 2)
    );
    // One percent of a larger table is no alarm.
    let more = "INSERT INTO ai_memories (id, owner_id, scope, content, content_hash, origin)
         SELECT gen_random_uuid(), owner_id, 'user', 'whole', '', 'user'
           FROM generate_series(1, 2500), (SELECT owner_id FROM ai_memories WHERE content = 'I own gold.') AS owner";
    app.ai().execute_unprepared(more).await.unwrap();
    let report = check(&app, true).await;
    assert_eq!(report.verdict, Verdict::Orphans, "{report:?}");
    let memories = report.links.iter().find(|link| link.table == "ai_memories").unwrap();
    assert!(memories.rows > 2500, "more than a page was looked at");
}

#[tokio::test]
async fn the_command_counts_and_says_by_its_exit_code_what_it_found() {
    let app = patient().await;
    let env = app.urls.env();
    let doctor = |arguments: &[&str]| {
        let arguments: Vec<&str> = ["doctor", "links"].iter().chain(arguments).copied().collect();
        let output = program(&env, &arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, said) = doctor(&["--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["verdict"]), (0, &json!("clean")));
    orphaned(&app).await;
    let (code, said) = doctor(&["--json"]);
    let report: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &report["verdict"]), (3, &json!("orphans")));
    let orphans: u64 =
        report["links"].as_array().unwrap().iter().map(|link| link["orphans"].as_u64().unwrap()).sum();
    assert_eq!(orphans, 4);
    let (code, said) = doctor(&["--limit", "0"]);
    assert!(code == 4 && said.contains("stopped, nothing was changed"), "{code} {said}");
    a_week_later(&app).await;
    let (code, said) = doctor(&["--repair"]);
    assert!(code == 0 && said.contains("1 repaired"), "{code} {said}");
    app.stop_ai().await;
    assert_eq!(doctor(&[]).0, 1);
    app.start_ai().await;
    let admin = app.admin().await;
    let view = admin.get("/admin/links").await.expect(200);
    assert_eq!(view["report"]["verdict"], "clean", "{view}");
}

#[tokio::test]
async fn one_replica_checks_a_night() {
    let app = patient().await;
    // The first time there is nothing to check yet.
    assert_eq!(links::nightly(&app.state).await.unwrap(), 0);
    let reports = "SELECT count(*) FROM settings WHERE key = 'links.report'";
    assert_eq!(count(app.core(), reports).await, 0);
    orphaned(&app).await;
    check(&app, false).await;
    a_week_later(&app).await;
    assert_eq!(links::nightly(&app.state).await.unwrap(), 0, "this night is done");
    let night = "UPDATE settings SET value = '\"2000-01-01\"' WHERE key = 'links.nightly'";
    app.core().execute_unprepared(night).await.unwrap();
    let replicas = futures::future::join_all((0..4).map(|_| links::nightly(&app.state))).await;
    let mut repaired: Vec<u64> = replicas.into_iter().map(Result::unwrap).collect();
    repaired.sort_unstable();
    assert_eq!(repaired, [0, 0, 0, 4]);
}

#[tokio::test]
async fn what_events_delete_leaves_no_orphans() {
    let app = patient().await;
    let user = orphaned(&app).await;
    check(&app, true).await;
    a_week_later(&app).await;
    assert_eq!(check(&app, true).await.verdict, Verdict::Clean);
    let id = user.get("/knowledge/sources").await.expect(200)["items"][0]["id"].as_str().unwrap().to_owned();
    user.delete(&format!("/knowledge/sources/{id}")).await.expect(204);
    let report = check(&app, false).await;
    assert_eq!(orphans(&report), Vec::new());
    assert!(auth::delete_account(&app.state, user.id.into()).await.unwrap());
    let report = check(&app, false).await;
    assert_eq!((report.verdict, orphans(&report)), (Verdict::Clean, Vec::new()));
    assert_eq!((report.outbox.pending, report.unknown_to_ai), (0, 0));
}

#[tokio::test]
async fn a_source_whose_collection_vanished_is_its_owners_again() {
    let app = patient().await;
    let user = app.user().await;
    let body = json!({ "title": "Goldbook", "text": "Gold is a precious metal." });
    let source = user.post("/knowledge/sources", body).await.expect(202)["id"].clone();
    app.run_jobs().await;
    let made = user.post("/knowledge/collections", json!({ "name": "Metals" })).await.expect(201);
    let path = format!("/knowledge/sources/{}", source.as_str().unwrap());
    user.patch(&path, json!({ "collection_id": made["id"] })).await.expect(200);
    assert_eq!(check(&app, false).await.verdict, Verdict::Clean);
    app.core().execute_unprepared("DELETE FROM knowledge_collections").await.unwrap();
    user.get(&path).await.expect_problem(404, "not_found");
    let report = check(&app, true).await;
    assert_eq!(orphans(&report), [("ai_kb_sources", "collection_gone", 1)]);
    a_week_later(&app).await;
    check(&app, true).await;
    assert_eq!(check(&app, false).await.verdict, Verdict::Clean);
    assert_eq!(user.get(&path).await.expect(200)["collection_id"], Value::Null);
    tandem::knowledge::words::index_some(&app.state).await.unwrap();
    let words = json!({ "query": "gold", "mode": "lexical" });
    let found = user.post("/knowledge/search", words).await.expect(200);
    assert_eq!(found["hits"].as_array().unwrap().len(), 1);
}
