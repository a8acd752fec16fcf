//! `/metrics`: who may read it, and what it says.

use axum::http::Method;
use sea_orm::ConnectionTrait;
use serde_json::json;

use crate::chat::with_model;
use crate::support::TestApp;
use crate::support::model::ModelServer;

const KEY: &str = "a-key-for-metrics-of-the-tests";

#[tokio::test]
async fn only_this_machine_and_the_key_read_metrics() {
    let app = TestApp::with().env("METRICS_KEY", KEY).start().await;
    // From elsewhere only the key opens.
    let get = async |header: &str| {
        app.anonymous()
            .at("203.0.113.9")
            .request(Method::GET, "/metrics", None, &[("authorization", header)])
            .await
    };
    get(&format!("Bearer {KEY}")).await.expect(200);
    for wrong in
        ["Bearer", "Bearer ", "Bearer wrong", KEY, &format!("Basic {KEY}"), &format!("Bearer {KEY}x")]
    {
        get(wrong).await.expect_problem(401, "metrics_key");
    }
    let user = app.user().await.at("203.0.113.9");
    user.get("/metrics").await.expect_problem(401, "metrics_key");

    let base = app.serve().await;
    let client = reqwest::Client::builder().build().unwrap();
    let url = format!("{base}/metrics");
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200, "this machine");
    for forwarded in ["x-forwarded-for", "forwarded", "x-real-ip"] {
        let answer = client.get(&url).header(forwarded, "127.0.0.1").send().await.unwrap();
        assert_eq!(answer.status(), 401, "{forwarded}");
    }
    let closed = TestApp::start().await;
    closed.anonymous().at("203.0.113.9").get("/metrics").await.expect_problem(403, "metrics_closed");
    let url = format!("{}/metrics", closed.serve().await);
    let answer = client.get(&url).header("x-forwarded-for", "10.0.0.1").send().await.unwrap();
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn metrics_count_requests_turns_pools_and_jobs_without_raw_paths() {
    let server = ModelServer::start().await;
    let app = with_model(&server).await;
    let user = app.user().await;
    // With a title: no job is queued for one.
    let made = user.post("/chat/conversations", json!({ "title": "Numbers" })).await.expect(201);
    let conversation = made["id"].as_str().unwrap().to_owned();
    user.ask(&conversation, "one").await.expect(200);
    user.stream(&conversation, "two").await;
    user.get("/no/such/route").await.expect(404);
    user.get(&format!("/knowledge/sources/{}", uuid::Uuid::now_v7())).await.expect(404);
    user.request(Method::from_bytes(b"STRANGE").unwrap(), "/auth/me", None, &[]).await.expect(405);
    user.post("/knowledge/sources", json!({ "title": "One", "text": "Waits." })).await.expect(202);
    user.post("/knowledge/search", json!({ "query": "waits" })).await.expect(200);
    user.post("/memories", json!({ "content": "Waits for spring." })).await.expect(201);
    user.post("/memories/search", json!({ "query": "waits" })).await.expect(200);
    let events = "INSERT INTO outbox (id, aggregate_type, aggregate_id, kind, dead_at)
                  SELECT gen_random_uuid(), 'source', gen_random_uuid(), 'source.deleted', CASE WHEN n = 1 THEN now() END
                    FROM generate_series(1, 3) AS n";
    app.core().execute_unprepared(events).await.unwrap();

    let base = app.serve().await;
    let answer = reqwest::get(format!("{base}/metrics")).await.unwrap();
    assert!(answer.headers()["content-type"].to_str().unwrap().starts_with("application/openmetrics-text"));
    let text = answer.text().await.unwrap();
    for line in [
        "tandem_search_duration_seconds_count{corpus=\"knowledge\",mode=\"hybrid\"} 1",
        "tandem_search_duration_seconds_count{corpus=\"memories\",mode=\"dense\"} 1",
        "tandem_search_nearest_similarity_count{corpus=\"memories\",model=\"pocket\"} 1",
        "tandem_http_requests_total{route=\"/api/v1/chat/conversations/{id}/send\",method=\"POST\",status=\"200\"} 2",
        "tandem_http_requests_total{route=\"unmatched\",method=\"GET\",status=\"404\"} 1",
        "tandem_http_requests_total{route=\"/api/v1/auth/me\",method=\"other\",status=\"405\"} 1",
        "tandem_turns_running 0",
        "tandem_streams_open 0",
        "tandem_turn_first_token_seconds_count 2",
        "tandem_turn_duration_seconds_count{outcome=\"complete\"} 2",
        "tandem_db_connections{database=\"core\",state=\"max\"} 8",
        "tandem_db_connections{database=\"ai\",state=\"max\"} 6",
        "tandem_queue_length{queue=\"jobs\",state=\"queued\"} 1",
        "tandem_queue_length{queue=\"outbox\",state=\"pending\"} 2",
        "tandem_queue_length{queue=\"outbox\",state=\"dead\"} 1",
        "# EOF",
    ] {
        assert!(text.lines().any(|given| given == line), "no line {line} in:\n{text}");
    }
    let name = "tandem_embedding_tokens_total{provider=\"local\",model=\"pocket\",kind=\"query\"} ";
    let tokens: u64 = text.lines().find_map(|line| line.strip_prefix(name)).unwrap().parse().unwrap();
    assert!(tokens >= 4, "the two turns' and the two searches' questions: {tokens}");
    assert!(text.contains("tandem_process_start_time_seconds 1") && text.contains("tandem_build{version="));
    assert!(!text.contains(&conversation) && !text.contains("such/route"), "raw paths are no labels");
    assert!(!text.contains(&user.email));
}
