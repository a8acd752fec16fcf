//! The transport: keys, scopes, origins, bounds, replicas.

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::json;

use super::{HEADERS, ask, call, call_refused, key, listed, send};
use crate::support::TestApp;

#[tokio::test]
async fn any_replica_answers_any_message_without_a_session() {
    let app = TestApp::start().await;
    let other = app.replica().await;
    let user = app.user().await;
    let program = key(&user, &["knowledge:read"]).await;
    let hello = json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello });
    let answer = send(&program, message, &[]).await;
    assert_eq!(answer.headers["content-type"], "application/json");
    assert!(!answer.headers.contains_key("mcp-session-id"), "{:?}", answer.headers);
    let told = answer.expect(200);
    assert_eq!(told["result"]["serverInfo"]["name"], "tandem", "{told}");
    assert_eq!(told["result"]["protocolVersion"], "2025-06-18");
    assert!(told["result"]["capabilities"]["tools"].is_object(), "{told}");
    let there = other.at(&program);
    let noted = send(&there, json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }), &[]).await;
    assert_eq!(noted.status, 202, "{}", noted.body);
    assert_eq!(listed(&there).await, ["search_knowledge"]);
    assert_eq!(call(&program, "search_knowledge", json!({ "query": "x" })).await["data"]["items"], json!([]));
    assert_eq!(ask(&there, "ping", json!({})).await, json!({}));
    // There is nothing to hold open, and nothing to give back.
    for method in [Method::GET, Method::DELETE] {
        let answer = program.request(method, "/mcp", None, &HEADERS).await;
        answer.expect_problem(405, "method_not_allowed");
    }
}

const OF_PORTFOLIOS: [&str; 13] = [
    "list_user_portfolios",
    "get_portfolio_complete",
    "get_analytics_overview",
    "get_daily_movers",
    "get_sector_exposure",
    "get_concentration_metrics",
    "get_portfolio_data_quality",
    "get_target_prices",
    "get_position_tags",
    "get_current_quotes",
    "get_prices_historical",
    "get_company_profile",
    "get_factor_etf_prices",
];

#[tokio::test]
async fn a_key_sees_and_calls_the_tools_of_its_scopes_and_no_others() {
    let app = TestApp::with().env("TANDEM__TOOLS__WEB_SEARCH_URL", "http://127.0.0.1:9/search").start().await;
    let user = app.user().await;
    let others = ["search_knowledge", "recall", "remember", "forget", "search_conversations", "web_search"];
    let all: Vec<&str> = others.into_iter().chain(OF_PORTFOLIOS).collect();
    let cases: [(&[&str], &[&str]); 9] = [
        (&["portfolio:read"], &OF_PORTFOLIOS),
        (&["portfolio:write"], &[]),
        (&["knowledge:read"], &["search_knowledge"]),
        (&["knowledge:write"], &[]),
        (&["memory:read"], &["recall"]),
        (&["memory:write"], &["remember"]),
        (&["memory:read", "memory:write"], &["recall", "remember", "forget"]),
        (&["chat:read"], &["search_conversations"]),
        (&["chat:write"], &["web_search"]),
    ];
    for (scopes, seen) in cases {
        let program = key(&user, scopes).await;
        assert_eq!(listed(&program).await, seen, "{scopes:?}");
        for name in all.iter().filter(|name| !seen.contains(name)) {
            call_refused(&program, name).await;
        }
    }
    assert_eq!(listed(&user).await, all, "a user in person");
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    send(&app.anonymous(), message.clone(), &[]).await.expect_problem(401, "missing_token");
    let forged = user.with_token("tdm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
    send(&forged, message, &[]).await.expect_problem(401, "invalid_api_key");
}

#[tokio::test]
async fn only_pages_of_configured_origins_call() {
    let app = TestApp::with().env("CORS_ORIGINS", "https://app.example.com").start().await;
    let user = app.user().await;
    let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/list" });
    let from = async |origin: &str| send(&user, message.clone(), &[("origin", origin)]).await;
    assert_eq!(from("https://app.example.com").await.status, 200);
    for origin in
        ["https://evil.example.com", "null", "http://localhost:3000", "https://app.example.com:8443", ""]
    {
        from(origin).await.expect_problem(403, "origin_not_allowed");
    }
    assert_eq!(send(&user, message.clone(), &[]).await.status, 200, "no browser");
}

#[tokio::test]
async fn messages_are_bounded_and_what_is_wrong_is_said() {
    let app = TestApp::start().await;
    let program = key(&app.user().await, &["knowledge:read"]).await;
    let raw = async |body: String, accept: &str| {
        let token = program.token.clone().unwrap();
        let request = Request::post("/mcp")
            .header("authorization", format!("Bearer {token}"))
            .header("host", "localhost")
            .header("content-type", "application/json")
            .header("accept", accept)
            .body(Body::from(body));
        program.send(request.unwrap()).await
    };
    let both = "application/json, text/event-stream";
    let long = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping", "params": { "x": "x".repeat(2 << 20) } });
    raw(long.to_string(), both).await.expect_problem(413, "body_too_large");
    for body in ["", "{", "[]", "7", "{\"jsonrpc\":\"2.0\"}"] {
        let answer = raw(body.to_owned(), both).await;
        assert!((400..=422).contains(&answer.status), "{body}: {} {}", answer.status, answer.body);
        assert!(!answer.body.is_empty(), "{body}");
    }
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "ping" }).to_string();
    assert_eq!(raw(ping.clone(), "text/html").await.status, 406);
    assert_eq!(raw(ping, both).await.status, 200);
    let unknown = json!({ "jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": { "uri": "file:///etc/passwd" } });
    let answer: serde_json::Value = serde_json::from_str(&send(&program, unknown, &[]).await.body).unwrap();
    assert!(answer["error"]["code"].is_i64(), "{answer}");
}
