//! Searches, writes and deletions go on through a change, a switch and the way back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::support::model::Script;

const TRIGGERS: &str = "SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal";

/// Sources and memories that nobody touches.
const QUIET: usize = 60;
const SOURCES: usize = 300;
const MEMORIES: usize = 120;

/// Searches on and on: the text that is asked for comes first, whatever is under way.
async fn search(
    user: TestUser,
    start: usize,
    over: Arc<AtomicBool>,
    searches: Arc<AtomicUsize>,
) -> BTreeSet<i64> {
    let (mut seen, mut n) = (BTreeSet::new(), start);
    while !over.load(Ordering::Relaxed) {
        n = (n + 7) % QUIET;
        let body = json!({"query": text(n), "limit": 5});
        let found = user.post("/knowledge/search", body.clone()).await.expect(200);
        let hit = &found["hits"][0];
        assert!(hit["similarity"].as_f64().unwrap() > 0.99, "mixed: {found}");
        assert_eq!(hit["external_id"], format!("s{n}"), "{found}");
        seen.insert(found["space"]["dimensions"].as_i64().unwrap());
        let found = user.post("/memories/search", body).await.expect(200);
        assert_eq!(found["hits"][0]["external_id"], format!("m{n}"), "{found}");
        assert!(found["hits"][0]["similarity"].as_f64().unwrap() > 0.99, "mixed: {found}");
        searches.fetch_add(1, Ordering::Relaxed);
    }
    seen
}

/// Writes, edits and deletes on and on; what is deleted in the end.
async fn write(app: Arc<TestApp>, user: TestUser, over: Arc<AtomicBool>) -> (Vec<String>, usize) {
    let (mut deleted, mut n) = (Vec::new(), 1000);
    let mut victims = QUIET..SOURCES;
    while !over.load(Ordering::Relaxed) || n < 1006 {
        n += 1;
        sources(&app, &user, n..n + 1).await;
        let made = user.post("/memories", json!({"external_id": format!("m{n}"), "content": text(n)})).await;
        let id = made.expect(201)["id"].as_str().unwrap().to_owned();
        let body = json!({"content": format!("edited{n} {}", text(n + 5000))});
        user.patch(&format!("/memories/{id}"), body).await.expect(200);
        let gone =
            user.post("/memories", json!({"content": format!("goner{n} {}", text(n))})).await.expect(201);
        user.delete(&format!("/memories/{}", gone["id"].as_str().unwrap())).await.expect(204);
        if let Some(victim) = victims.next() {
            let found =
                user.post("/knowledge/search", json!({"query": text(victim), "limit": 1})).await.expect(200);
            let source = found["hits"][0]["source_id"].as_str().unwrap().to_owned();
            user.delete(&format!("/knowledge/sources/{source}")).await.expect(204);
            deleted.push(source);
        }
    }
    (deleted, n)
}

/// Rows are those that should be.
async fn rows_are_exact(app: &TestApp, deleted: &[String], written: usize) {
    app.run_outbox().await;
    let gone =
        format!("SELECT count(*) FROM ai_kb_documents WHERE source_id::text IN ('{}')", deleted.join("','"));
    assert_eq!(said(app, &gone).await, "0");
    assert_eq!(said(app, "SELECT count(*) FROM ai_memories WHERE content LIKE 'goner%'").await, "0");
    let rows = said(app, "SELECT count(*) FROM ai_memories").await;
    assert_eq!(rows, (MEMORIES + written).to_string());
    let rows = said(app, "SELECT count(*) FROM ai_kb_documents").await;
    assert_eq!(rows, (SOURCES + written - deleted.len()).to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_changes_and_changes_back_while_everybody_searches_writes_and_deletes() {
    let server = ModelServer::start().await;
    // Slow enough for much to happen meanwhile.
    server.always_embeddings(Script::reply([""; 0]).first_after(Duration::from_millis(30)));
    let app = Arc::new(with(&server).start().await);
    let (user, admin) = (app.user().await, app.admin().await);
    sources(&app, &user, 0..SOURCES).await;
    memories(&user, 0..MEMORIES).await;
    let triggers = said(&app, TRIGGERS).await;
    // A replica that hears of nothing: it learns of a switch by its next vector.
    let deaf = with(&server).over(app.urls.clone()).start().await;

    let (over, searches) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let clients: Vec<_> = (0..4)
        .map(|n| {
            let user = if n % 2 == 0 { user.clone() } else { deaf.at(&user) };
            tokio::spawn(search(user, n, Arc::clone(&over), Arc::clone(&searches)))
        })
        .collect();
    let writer = tokio::spawn(write(Arc::clone(&app), user.clone(), Arc::clone(&over)));
    let more = async |rounds: usize| {
        let before = searches.load(Ordering::Relaxed);
        let begun = Instant::now();
        while searches.load(Ordering::Relaxed) < before + rounds && !writer.is_finished() {
            assert!(begun.elapsed() < Duration::from_mins(1), "no search comes through");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    more(10).await;
    let id = made_ready(&admin, wanted(LENGTH)).await;
    assert_ne!(said(&app, TRIGGERS).await, triggers, "a change has triggers of its own");
    more(10).await;
    let old = admin.get(SPACES).await.expect(200);
    let old =
        old["items"].as_array().unwrap().iter().find(|space| space["status"] == "active").unwrap().clone();
    let switched = admin.post(&format!("{SPACES}/{id}/switch"), json!({})).await.expect(200);
    assert_eq!((&switched["status"], &switched["missing"]), (&json!("active"), &json!(0)));
    assert_eq!(type_of(&app, "ai_kb_documents").await, format!("vector({LENGTH})"));
    more(20).await;
    let old_id = old["id"].as_str().unwrap();
    admin.post(&format!("{SPACES}/{old_id}/rollback"), json!({})).await.expect(200);
    assert_eq!(type_of(&app, "ai_memories").await, "vector(384)");
    more(20).await;
    admin.post(&format!("{SPACES}/{id}/switch"), json!({})).await.expect(200);
    more(20).await;
    over.store(true, Ordering::Relaxed);
    let (deleted, last) = writer.await.unwrap();
    let mut seen = BTreeSet::new();
    for client in clients {
        seen.extend(client.await.unwrap());
    }
    assert_eq!(seen, BTreeSet::from([48, 384]), "searched before and after");
    assert!(deleted.len() > 5 && last > 1005, "too little was written: {} {last}", deleted.len());

    rows_are_exact(&app, &deleted, last - 1000).await;
    all_are_scripted(app.ai(), "embedding", LENGTH).await;
    admin.post(&format!("{SPACES}/{old_id}/rollback"), json!({})).await.expect(200);
    all_are_local(&app).await;
    all_are_scripted(app.ai(), "embedding_next", LENGTH).await;

    // Given up, nothing is left of it; and the same change can be begun anew.
    admin.post(&format!("{SPACES}/{id}/abort"), json!({})).await.expect(200);
    let left = "SELECT count(*) FROM pg_attribute AS a JOIN pg_class AS c ON c.oid = a.attrelid
                 WHERE (attname ~ 'embedding_(next|prev)' OR relname ~ '_(next|prev|missing)') AND NOT attisdropped";
    assert_eq!(said(&app, left).await, "0");
    assert_eq!(said(&app, TRIGGERS).await, triggers);
    assert_eq!(made_ready(&admin, wanted(LENGTH)).await, id);
}

#[tokio::test]
async fn a_row_that_changes_loses_the_vector_beside_it_whoever_writes_it() {
    let server = ModelServer::start().await;
    let app = with(&server).start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    // Before the change: it does not know of any space beside the active one.
    let deaf = with(&server).over(app.urls.clone()).start().await;
    memories(&user, 0..3).await;
    deaf.at(&user).post("/memories/search", json!({"query": "alpha1"})).await.expect(200);
    let id = made_ready(&admin, wanted(LENGTH)).await;
    all_are_scripted(app.ai(), "embedding_next", LENGTH).await;

    let body = json!({"external_id": "m1", "content": "said otherwise"});
    deaf.at(&user).post("/memories", body).await.expect(200);
    let void = "SELECT count(*) FROM ai_memories WHERE embedding_next IS NULL AND content = 'said otherwise'";
    assert_eq!(said(&app, void).await, "1");
    // A replica that knows of it writes both at once.
    user.post("/memories", json!({"external_id": "m2", "content": "said to one who knows"}))
        .await
        .expect(200);
    assert_eq!(said(&app, "SELECT count(*) FROM ai_memories WHERE embedding_next IS NULL").await, "1");
    admin.post(&format!("{SPACES}/{id}/switch"), json!({})).await.expect(200);
    all_are_scripted(app.ai(), "embedding", LENGTH).await;
    // And one that does not know of the switch makes its vectors again.
    let deaf = deaf.at(&user);
    deaf.post("/memories", json!({"content": "after the switch"})).await.expect(201);
    all_are_scripted(app.ai(), "embedding", LENGTH).await;
}

#[tokio::test]
async fn a_dry_run_says_what_it_takes_and_begins_nothing() {
    let server = ModelServer::start().await;
    let app = with(&server).start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    sources(&app, &user, 0..40).await;
    memories(&user, 0..10).await;
    let mut body = json!({"provider": "openai", "model": "text-embedding-3-small", "dry_run": true});
    let estimate = admin.post(SPACES, body.clone()).await.expect(200)["estimate"].clone();
    assert_eq!((&estimate["texts"], &estimate["dimensions"]), (&json!(50), &json!(1536)), "{estimate}");
    let tokens = estimate["tokens"].as_i64().unwrap();
    assert!((200..3000).contains(&tokens), "{estimate}");
    let cost: f64 = estimate["cost_usd"].as_str().unwrap().parse().unwrap();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let expected = tokens as f64 * 0.02 / 1e6;
    assert!((cost - expected).abs() < 1e-9, "{estimate}");
    assert!(estimate["seconds"].as_f64().unwrap() > 0.0, "{estimate}");
    assert_eq!(admin.get(SPACES).await.expect(200)["items"].as_array().unwrap().len(), 1);
    assert!(app.user().await.post(SPACES, body.clone()).await.status == 403);

    body["model"] = json!("nobody knows how long");
    admin.post(SPACES, body).await.expect_wrong_field("model");
    let same = json!({"provider": "local", "model": "pocket"});
    admin.post(SPACES, same).await.expect_problem(409, "space_active");
}
