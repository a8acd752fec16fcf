//! Which pages may call: exactly the configured ones, streams included.

use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, Method, Request};
use serde_json::json;
use tower::ServiceExt;

use crate::support::TestApp;

const PAGE: &str = "https://app.example.com";

async fn preflight(
    router: &axum::Router,
    origin: &str,
    path: &str,
    method: &str,
    headers: &str,
) -> HeaderMap {
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri(format!("/api/v1{path}"))
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", headers);
    let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.status(), 200);
    response.headers().clone()
}

#[tokio::test]
async fn only_configured_origins_are_allowed_on_streams_too() {
    let app = TestApp::with().env("CORS_ORIGINS", format!("{PAGE},http://localhost:5173")).start().await;
    let router = tandem::router::build(app.state.clone());
    let stream = "/chat/conversations/019aa000-0000-7000-8000-000000000001/send";
    let wanted = "authorization,content-type,idempotency-key,last-event-id";
    for (path, method) in
        [(stream, "POST"), ("/chat/send", "POST"), ("/memories", "GET"), ("/auth/login", "POST")]
    {
        let allowed = preflight(&router, PAGE, path, method, wanted).await;
        assert_eq!(allowed["access-control-allow-origin"], PAGE);
        let headers = allowed["access-control-allow-headers"].to_str().unwrap().to_lowercase();
        for header in wanted.split(',') {
            assert!(headers.contains(header), "{header} is not in {headers}");
        }
        assert!(allowed["access-control-allow-methods"].to_str().unwrap().contains(method));
        // No cookie is ever asked for, so no page may send one.
        assert!(!allowed.contains_key("access-control-allow-credentials"));
        for foreign in
            ["https://evil.example", "https://app.example.com.evil.example", "http://app.example.com", "null"]
        {
            let refused = preflight(&router, foreign, path, method, wanted).await;
            assert!(!refused.contains_key("access-control-allow-origin"), "{foreign} {path}");
        }
    }

    let user = app.user().await;
    let conversation = user.conversation().await;
    let path = format!("/chat/conversations/{conversation}/send");
    for (origin, allowed) in [(PAGE, true), ("https://evil.example", false)] {
        let body = Some(json!({"content": "What is beta?"}));
        let answer = user.request(Method::POST, &path, body, &[("origin", origin)]).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["content-type"], "text/event-stream");
        assert_eq!(answer.headers.contains_key("access-control-allow-origin"), allowed, "{origin}");
        assert!(!answer.headers.contains_key("access-control-allow-credentials"));
        assert!(answer.headers.get_all("vary").iter().any(|vary| vary.to_str().unwrap().contains("origin")));
    }
}

#[tokio::test]
async fn pages_of_this_machine_are_allowed_only_by_default_and_while_embedded() {
    let app = TestApp::start().await;
    let allows = async |router: &axum::Router, origin: &str| {
        preflight(router, origin, "/memories", "GET", "authorization")
            .await
            .contains_key("access-control-allow-origin")
    };
    let router = tandem::router::build(app.state.clone());
    assert!(!allows(&router, "http://localhost:5173").await);

    let mut settings = (*app.state.settings).clone();
    (settings.database.core_url, settings.database.ai_url) = (None, None);
    let embedded = |settings: &tandem::config::Settings| {
        let parts = tandem::state::Parts { settings: Arc::new(settings.clone()), ..(*app.state).clone() };
        tandem::router::build(parts.into())
    };
    let router = embedded(&settings);
    for page in ["http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:3000"] {
        assert!(allows(&router, page).await, "{page}");
    }
    for page in
        ["https://evil.example", "http://localhost.evil.example", "http://127.0.0.1.evil.example", "null"]
    {
        assert!(!allows(&router, page).await, "{page}");
    }
    settings.http.cors_origins = vec![PAGE.to_owned()];
    assert!(!allows(&embedded(&settings), "http://localhost:5173").await);
}
