//! Health, unknown routes, the document: what anybody may ask.

use axum::http::Method;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn health_tells_both_databases_apart() {
    let app = TestApp::start().await;
    for path in ["/health", "/api/health", "/api/v1/health", "/health/ready"] {
        let body = app.anonymous().get(path).await.expect(200);
        assert_eq!(body["status"], "ok", "{path}: {body}");
        assert_eq!(body["mode"], "dual");
        assert_eq!(body["core"]["pending_migrations"], 0);
        assert_eq!(body["ai"]["pending_migrations"], 0);
        assert_eq!(body["vectors"]["hnsw"], true, "{body}");
        assert_eq!(body["vectors"]["space"], "local/pocket/384");
    }
    app.anonymous().get("/health/live").await.expect(200);
}

#[tokio::test]
async fn one_database_is_healthy_too() {
    let app = TestApp::with().single().start().await;
    let body = app.anonymous().get("/health/ready").await.expect(200);
    assert_eq!(body["status"], "ok", "{body}");
    assert_eq!(body["mode"], "single");
}

#[tokio::test]
async fn unknown_routes_and_methods_are_problems() {
    let app = TestApp::start().await;
    let user = app.user().await;
    user.get("/nothing/here").await.expect_problem(404, "not_found");
    user.request(Method::PATCH, "/auth/me", Some(json!({})), &[])
        .await
        .expect_problem(405, "method_not_allowed");
}

#[tokio::test]
async fn the_document_and_its_page_are_served_without_any_other_host() {
    let app = TestApp::start().await;
    let document = app.anonymous().get("/openapi.json").await.expect(200);
    assert!(document["paths"]["/api/v1/auth/login"]["post"].is_object());
    let page = app.anonymous().get("/docs/").await.expect(200);
    let html = page.as_str().unwrap();
    assert!(html.contains("swagger-ui"), "{html}");
    assert!(!html.contains("//cdn") && !html.contains("https://"), "{html}");
}

#[tokio::test]
async fn every_answer_carries_the_request_id() {
    let app = TestApp::start().await;
    let response =
        app.anonymous().request(Method::GET, "/health/live", None, &[("x-request-id", "abc-123")]).await;
    assert_eq!(response.headers["x-request-id"], "abc-123");
    let response = app.anonymous().get("/health/live").await;
    assert_eq!(response.headers["x-request-id"].len(), 36);
}

#[test]
fn the_committed_document_is_what_the_handlers_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
    let committed = std::fs::read_to_string(path).unwrap();
    let generated = tandem::router::openapi().to_pretty_json().unwrap();
    assert!(committed.trim() == generated.trim(), "docs/openapi.json is stale: run `make openapi`");
}
