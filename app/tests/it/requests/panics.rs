//! A panic while a request is answered.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::json;
use tandem::llm::{EmbedKind, Embedder, Embeddings, ModelError, SpaceSpec};

use crate::support::TestApp;

/// A model with a defect.
#[derive(Debug)]
struct Panicking(Arc<dyn Embedder>);

impl Embedder for Panicking {
    fn space(&self) -> &SpaceSpec {
        self.0.space()
    }
    fn max_tokens(&self) -> usize {
        self.0.max_tokens()
    }
    fn similarity_floor(&self) -> f32 {
        self.0.similarity_floor()
    }
    fn count_tokens(&self, text: &str) -> usize {
        self.0.count_tokens(text)
    }
    fn embed(&self, _: EmbedKind, texts: Vec<String>) -> BoxFuture<'_, Result<Embeddings, ModelError>> {
        Box::pin(async move { panic!("a defect, while it read {texts:?}") })
    }
}

#[tokio::test]
async fn a_panic_is_a_problem_and_the_next_request_is_answered() {
    let app = TestApp::with()
        .models(|models| models.embedder = Arc::new(Panicking(Arc::clone(&models.embedder))))
        .start()
        .await;
    let user = app.user().await;
    let body = json!({ "query": "a secret question" });
    let headers = [("x-request-id", "the-request")];
    let method = axum::http::Method::POST;
    let answer = user.request(method.clone(), "/knowledge/search", Some(body), &headers).await;
    let problem = answer.expect_problem(500, "internal");
    assert_eq!(problem["request_id"], "the-request");
    assert!(!problem.to_string().contains("secret") && !problem.to_string().contains("defect"), "{problem}");
    // Also in the task of a request with a key, and the key stays with its id.
    let headers = [("x-request-id", "the-request"), ("idempotency-key", "k")];
    let body = json!({ "content": "a secret memory" });
    let answer = user.request(method, "/memories", Some(body), &headers).await;
    assert_eq!(answer.expect_problem(500, "internal")["request_id"], "the-request");
    user.get("/auth/me").await.expect(200);
    let text = app.state.metrics.render().unwrap();
    assert!(text.contains("tandem_panics_total 2"), "{text}");
}
