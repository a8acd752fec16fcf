//! When the embedding model fails, and what a crash leaves behind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::BoxFuture;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem::knowledge;
use tandem::llm::{EmbedKind, Embedder, Embeddings, ModelError, SpaceSpec};

use super::{found, number};
use crate::support::TestApp;

/// Embeds as the real model does, but refuses texts with `poison` and is away
/// for a number of calls with `later`.
#[derive(Debug)]
struct Moody {
    inner: Arc<dyn Embedder>,
    away: Arc<AtomicUsize>,
}

impl Embedder for Moody {
    fn space(&self) -> &SpaceSpec {
        self.inner.space()
    }
    fn max_tokens(&self) -> usize {
        self.inner.max_tokens()
    }
    fn similarity_floor(&self) -> f32 {
        self.inner.similarity_floor()
    }
    fn count_tokens(&self, text: &str) -> usize {
        self.inner.count_tokens(text)
    }
    fn embed(&self, kind: EmbedKind, texts: Vec<String>) -> BoxFuture<'_, Result<Embeddings, ModelError>> {
        Box::pin(async move {
            if texts.iter().any(|text| text.contains("poison")) {
                return Err(ModelError::Refused { status: 400, detail: "no poison".to_owned() });
            }
            let is_later = texts.iter().any(|text| text.contains("later"));
            let decrease = |left: usize| left.checked_sub(1);
            if is_later && self.away.fetch_update(Ordering::SeqCst, Ordering::SeqCst, decrease).is_ok() {
                return Err(ModelError::Unreachable { detail: "provider is away".to_owned() });
            }
            self.inner.embed(kind, texts).await
        })
    }
}

async fn moody(away: usize) -> TestApp {
    TestApp::with()
        .models(move |models| {
            let inner = Arc::clone(&models.embedder);
            models.embedder = Arc::new(Moody { inner, away: Arc::new(AtomicUsize::new(away)) });
        })
        .start()
        .await
}

async fn due_now(app: &TestApp) {
    app.core().execute_unprepared("UPDATE jobs SET run_at = now() WHERE status = 'queued'").await.unwrap();
}

fn batch(texts: &[&str]) -> Value {
    let items: Vec<Value> =
        texts.iter().map(|text| json!({"title": "T", "text": text, "external_id": text})).collect();
    json!({ "items": items })
}

#[tokio::test]
async fn a_text_the_model_refuses_fails_alone() {
    let app = moody(0).await;
    let user = app.user().await;
    let answer =
        user.post("/knowledge/sources/batch", batch(&["gold", "poison", "whales"])).await.expect(202);
    app.run_jobs().await;
    let list = user.get("/knowledge/sources?status=failed").await.expect(200);
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["external_id"], "poison");
    assert!(list["items"][0]["error"].as_str().unwrap().contains("no poison"));
    assert_eq!(number(&app, "SELECT count(*) FROM ai_kb_sources WHERE status = 'ready'", []).await, 2);
    // Sent again, it is tried again.
    let again = user.post("/knowledge/sources/batch", batch(&["poison"])).await.expect(202);
    assert_eq!(again["items"][0]["status"], "queued");
    assert_eq!(again["items"][0]["id"], answer["items"][1]["id"]);
}

#[tokio::test]
async fn an_absent_provider_is_waited_for() {
    let app = moody(2).await;
    let user = app.user().await;
    user.post("/knowledge/sources/batch", batch(&["later gold"])).await.expect(202);
    for _ in 0..2 {
        app.run_jobs().await;
        let waiting = user.get("/knowledge/sources?status=processing").await.expect(200);
        assert_eq!(waiting["items"].as_array().unwrap().len(), 1);
        due_now(&app).await;
    }
    app.run_jobs().await;
    assert_eq!(found(&user, json!({"query": "gold"})).await, ["later gold"]);
}

#[tokio::test]
async fn after_the_last_attempt_a_source_has_failed() {
    let app = moody(usize::MAX).await;
    let user = app.user().await;
    user.post("/knowledge/sources/batch", batch(&["later"])).await.expect(202);
    for _ in 0..5 {
        app.run_jobs().await;
        due_now(&app).await;
    }
    let list = user.get("/knowledge/sources").await.expect(200);
    assert_eq!(list["items"][0]["status"], "failed");
    assert!(list["items"][0]["error"].as_str().unwrap().contains("provider is away"));
}

#[tokio::test]
async fn all_passages_of_a_source_or_none() {
    let app = moody(0).await;
    let user = app.user().await;
    let old = json!({"title": "T", "text": "Gold is a metal.", "external_id": "x"});
    super::ingested(&app, &user, old).await;
    // The poison comes after more passages than are embedded at once.
    let text = format!("{} poison", "Whales sing in the deep blue sea every night. ".repeat(1600));
    let new = json!({"title": "T", "text": text, "external_id": "x"});
    let id = user.post("/knowledge/sources", new).await.expect(202)["id"].as_str().unwrap().to_owned();
    app.run_jobs().await;
    let source = user.get(&format!("/knowledge/sources/{id}")).await.expect(200);
    assert_eq!(source["status"], "failed");
    let result = user.post("/knowledge/search", json!({"query": "whales"})).await.expect(200);
    assert_eq!(result["hits"].as_array().unwrap().len(), 1);
    assert_eq!(result["hits"][0]["content"], "Gold is a metal.");
}

#[tokio::test]
async fn a_source_whose_job_was_lost_gets_another() {
    let app = TestApp::start().await;
    let user = app.user().await;
    user.post("/knowledge/sources/batch", batch(&["gold"])).await.expect(202);
    app.core().execute_unprepared("DELETE FROM jobs").await.unwrap();
    assert_eq!(knowledge::requeue_lost(&app.state).await.unwrap(), 0, "it has not waited long enough");
    let age = "UPDATE ai_kb_sources SET updated_at = now() - interval '2 minutes'";
    app.ai().execute_unprepared(age).await.unwrap();
    assert_eq!(knowledge::requeue_lost(&app.state).await.unwrap(), 1);
    app.ai().execute_unprepared(age).await.unwrap();
    assert_eq!(knowledge::requeue_lost(&app.state).await.unwrap(), 0, "its job is alive");
    app.run_jobs().await;
    assert_eq!(found(&user, json!({"query": "gold"})).await, ["gold"]);
}

#[tokio::test]
async fn a_job_that_comes_late_writes_nothing() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = |text: &str| json!({"title": "T", "text": text, "external_id": "x"});
    user.post("/knowledge/sources", body("Gold is a metal.")).await.expect(202);
    user.post("/knowledge/sources", body("Whales sing.")).await.expect(202);
    app.run_jobs().await;
    let result = user.post("/knowledge/search", json!({"query": "metal"})).await.expect(200);
    assert_eq!(result["hits"].as_array().unwrap().len(), 1);
    assert_eq!(result["hits"][0]["content"], "Whales sing.");
    let ready = "SELECT count(*) FROM ai_kb_sources WHERE status = 'ready' AND generation > 1";
    assert_eq!(number(&app, ready, []).await, 1, "the second text has a generation of its own");
}
