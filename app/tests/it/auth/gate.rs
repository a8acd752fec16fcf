//! Deny by default.

use axum::http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;

/// Generated from the OpenAPI document: a new route is tested without being named here.
#[tokio::test]
async fn every_route_needs_a_user_unless_it_is_on_the_public_list() {
    let app = TestApp::start().await;
    let document: Value = serde_json::to_value(tandem::router::openapi()).unwrap();
    let mut closed = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        if tandem::router::PUBLIC.contains(&path.as_str()) {
            continue;
        }
        for method in operations.as_object().unwrap().keys() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
                continue;
            }
            let path = path.replace("{id}", &Uuid::now_v7().to_string());
            let answer = app.anonymous().request(method.clone(), &path, Some(json!({})), &[]).await;
            assert_eq!(answer.status, 401, "{method} {path}: {}", answer.body);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            answer.expect_problem(401, "missing_token");
            closed += 1;
        }
    }
    assert!(closed >= 7, "the document names only {closed} closed routes");
}

#[tokio::test]
async fn every_public_route_answers_without_a_user() {
    let app = TestApp::start().await;
    for path in tandem::router::PUBLIC {
        let path = path.replace("{*rest}", "index.html");
        let method = if path.contains("/auth/") { Method::POST } else { Method::GET };
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
    user.delete("/auth/me").await.expect_problem(405, "method_not_allowed");
    app.anonymous().delete("/auth/me").await.expect_problem(401, "missing_token");
}
