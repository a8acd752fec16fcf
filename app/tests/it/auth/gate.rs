//! Deny by default.

use axum::http::Method;
use serde_json::json;

use crate::support::TestApp;

#[tokio::test]
async fn every_public_route_answers_without_a_user() {
    let app = TestApp::start().await;
    for path in tandem::router::PUBLIC {
        let path = path.replace("{*rest}", "index.html");
        let posted = path.contains("/auth/") || path.ends_with("/setup");
        let method = if posted { Method::POST } else { Method::GET };
        let answer = app.anonymous().request(method, &path, Some(json!({})), &[]).await;
        assert_ne!(answer.status, 401, "{path}");
        assert_ne!(answer.status, 404, "{path}");
    }
}

#[tokio::test]
async fn an_unknown_route_is_404_for_everybody() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for path in ["/nothing", "/api/nothing", "/chat", "/auth/me/more"] {
        let anonymous = app.anonymous().get(path).await.expect_problem(404, "not_found");
        let known = user.get(path).await.expect_problem(404, "not_found");
        assert_eq!(anonymous["detail"], known["detail"]);
    }
}

#[tokio::test]
async fn only_a_bearer_token_opens_the_door() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let token = user.token.clone().unwrap();
    let send = async |header: &str| {
        app.anonymous().request(Method::GET, "/auth/me", None, &[("authorization", header)]).await
    };
    send(&format!("Bearer {token}")).await.expect(200);
    send(&format!("bearer  {token}")).await.expect(200);
    for header in [token.as_str(), "Bearer", "Bearer ", &format!("Basic {token}")] {
        send(header).await.expect_problem(401, "missing_token");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_only_to_users() {
    let app = TestApp::start().await;
    let user = app.user().await;
    user.put("/auth/me", json!({})).await.expect_problem(405, "method_not_allowed");
    app.anonymous().put("/auth/me", json!({})).await.expect_problem(401, "missing_token");
}
