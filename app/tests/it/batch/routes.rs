//! The routes of the batch. S1-45.

use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::fixture::{buy, closes, new_run, portfolio, run};
use crate::support::TestApp;

async fn run_due(app: &TestApp) {
    let stop = CancellationToken::new();
    while tandem::analytics::run_one(&app.state, None, &stop).await.unwrap().is_some() {}
}

#[tokio::test]
async fn administrators_start_watch_and_call_off_runs() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    assert_eq!(admin.get("/admin/batch/run/current").await.expect(200)["status"], "idle");
    admin.post("/admin/batch/run/current/cancel", json!({})).await.expect_problem(404, "not_found");
    let started = admin.post("/admin/batch/run", json!({"end_date": "2024-01-12"})).await.expect(202);
    assert_eq!(started["status"], "started");
    assert_eq!(started["triggered_by"], admin.email);
    assert_eq!(started["date_range"], json!({"start": null, "end": "2024-01-12"}));
    let id = started["batch_run_id"].as_str().unwrap().to_owned();
    let polled = admin.get(started["poll_url"].as_str().unwrap()).await.expect(200);
    assert_eq!((&polled["batch_run_id"], &polled["status"]), (&json!(id), &json!("queued")));
    let refused = admin.post("/admin/batch/run", json!({})).await.expect_problem(409, "batch_running");
    assert_eq!(refused["id"], id);
    admin.post("/admin/batch/trigger/market-data", json!({})).await.expect_problem(409, "batch_running");
    let current = admin.get("/admin/batch/run/current").await.expect(200);
    assert_eq!(
        (current["status"].as_str(), current["batch_run_id"].as_str()),
        (Some("queued"), Some(id.as_str()))
    );
    let cancelled = admin.post("/admin/batch/run/current/cancel", json!({})).await.expect(200);
    assert_eq!(
        (cancelled["status"].as_str(), cancelled["batch_run_id"].as_str()),
        (Some("cancelled"), Some(id.as_str()))
    );
    run_due(&app).await;
    assert_eq!(admin.get("/admin/batch/run/current").await.expect(200)["status"], "idle");
    let summary = admin.get("/admin/batch/history/summary").await.expect(200);
    assert_eq!((summary["runs"].as_i64(), summary["cancelled"].as_i64()), (Some(1), Some(1)));
}

#[tokio::test]
async fn history_tells_what_a_run_did() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    closes(app.core(), "ALFA", &[("2024-01-08", "10"), ("2024-01-09", "11")]).await;
    let book = portfolio(app.core(), user.id, None).await;
    buy(app.core(), book, "ALFA", "1", "10", "2024-01-08").await;
    let body = json!({"end_date": "2024-01-09"});
    let key = [("idempotency-key", "once")];
    let path = "/api/v1/admin/batch/run";
    let started = admin.request(axum::http::Method::POST, path, Some(body.clone()), &key).await.expect(202);
    let again = admin.request(axum::http::Method::POST, path, Some(body), &key).await.expect(202);
    assert_eq!(started["batch_run_id"], again["batch_run_id"]);
    run_due(&app).await;
    let id = started["batch_run_id"].as_str().unwrap();
    let told = admin.get(&format!("/admin/batch/history/{id}")).await.expect(200);
    assert_eq!(told["status"], "completed");
    assert_eq!(told["jobs"], json!({"total": 1, "completed": 1, "failed": 0, "pending": 0}));
    let phases: Vec<_> = told["phases"].as_array().unwrap().iter().map(|phase| &phase["status"]).collect();
    assert_eq!(phases, ["completed"; 3]);
    assert_eq!(told["phases"][2]["records"], 2);
    let logs = admin.get(&format!("/admin/batch/history/{id}/logs?limit=2")).await.expect(200);
    assert_eq!(logs["lines"][0]["message"], "completed");
    assert_eq!(logs["lines"].as_array().unwrap().len(), 2);
    assert_eq!(admin.get("/admin/batch/history?limit=1").await.expect(200)["items"][0]["batch_run_id"], id);
    admin.get(&format!("/admin/batch/history/{}", Uuid::now_v7())).await.expect_problem(404, "not_found");
    let wrong = json!({"portfolio_id": Uuid::now_v7()});
    admin.post("/admin/batch/run", wrong).await.expect_problem(404, "not_found");
    admin.post("/admin/batch/run", json!({"end_date": "2999-01-01"})).await.expect_wrong_field("end_date");
}

#[tokio::test]
async fn prices_alone_are_fetched_by_a_run_that_computes_nothing() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let book = portfolio(app.core(), user.id, None).await;
    buy(app.core(), book, "ALFA", "1", "10", "2024-01-08").await;
    let started = admin.post("/admin/batch/trigger/market-data", json!({})).await.expect(202);
    run_due(&app).await;
    let id = started["batch_run_id"].as_str().unwrap();
    let told = admin.get(&format!("/admin/batch/history/{id}")).await.expect(200);
    assert_eq!(told["prices_only"], true);
    assert_eq!(told["phases"].as_array().unwrap().len(), 1);
    assert_eq!(told["jobs"]["total"], 0);
}

#[tokio::test]
async fn owners_have_their_portfolio_computed_and_watch() {
    let app = TestApp::start().await;
    let (user, stranger) = (app.user().await, app.user().await);
    let book = portfolio(app.core(), user.id, None).await;
    let path = format!("/portfolios/{book}/calculate");
    let started = user.post(&path, json!({})).await.expect(202);
    assert_eq!(started["status"], "started");
    let again = user.post(&path, json!({})).await.expect(202);
    assert_eq!(
        (again["status"].as_str(), &again["batch_run_id"]),
        (Some("running"), &started["batch_run_id"])
    );
    stranger.post(&path, json!({})).await.expect_problem(404, "not_found");
    let poll = started["poll_url"].as_str().unwrap().strip_prefix("/api/v1").unwrap().to_owned();
    assert_eq!(user.get(&poll).await.expect(200)["status"], "queued");
    stranger.get(&poll).await.expect_problem(404, "not_found");
    run_due(&app).await;
    assert_eq!(user.get(&poll).await.expect(200)["status"], "completed");
    // A run over all is no run of the portfolio's.
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    user.get(&format!("/portfolios/{book}/batch-status/{}", Uuid::now_v7()))
        .await
        .expect_problem(404, "not_found");
}
