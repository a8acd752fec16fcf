//! Schedules begin each due run once, however many replicas look. S1-59, S1-67.

use tandem::analytics::schedule;

use super::fixture::{execute, number_of, text};
use crate::support::TestApp;

const DUE: &str = "UPDATE batch_job_schedules SET next_run_at = now() - interval '3 days'";

#[tokio::test]
async fn a_due_schedule_begins_one_run_over_all_replicas() {
    let app = TestApp::start().await;
    let replica = app.replica().await;
    // The first look works out when the nightly one is due.
    assert_eq!(schedule::start_due(app.core()).await.unwrap(), 0);
    let next = "SELECT to_char(next_run_at AT TIME ZONE timezone, 'HH24:MI') FROM batch_job_schedules WHERE job_name = 'nightly'";
    assert_eq!(text(app.core(), next, []).await.unwrap(), "17:30");
    execute(app.core(), DUE, []).await;
    let looks = [&app, &replica].repeat(4).into_iter().map(|app| schedule::start_due(app.core()));
    let begun: u64 = futures::future::join_all(looks).await.into_iter().map(Result::unwrap).sum();
    assert_eq!(begun, 1);
    assert_eq!(
        number_of(app.core(), "SELECT count(*) FROM batch_run_history WHERE triggered_by = 'schedule'", [])
            .await,
        1
    );
    let again =
        "SELECT count(*) FROM batch_job_schedules WHERE next_run_at > now() AND last_run_at IS NOT NULL";
    assert_eq!(number_of(app.core(), again, []).await, 1);
    // Due again while that one is open: it is left at that.
    execute(app.core(), DUE, []).await;
    assert_eq!(schedule::start_due(app.core()).await.unwrap(), 0);
    assert_eq!(number_of(app.core(), "SELECT count(*) FROM batch_run_history", []).await, 1);
}

#[tokio::test]
async fn a_schedule_that_cannot_be_read_is_switched_off() {
    let app = TestApp::start().await;
    execute(
        app.core(),
        "UPDATE batch_job_schedules SET cron_expression = 'every day', next_run_at = now()",
        [],
    )
    .await;
    assert_eq!(schedule::start_due(app.core()).await.unwrap(), 0);
    assert_eq!(
        number_of(app.core(), "SELECT count(*) FROM batch_job_schedules WHERE is_active", []).await,
        0
    );
}

#[tokio::test]
async fn administrators_change_schedules() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let list = admin.get("/admin/batch/schedules").await.expect(200);
    let id = list["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(list["items"][0]["cron_expression"], "30 17 * * 1-5");
    let path = format!("/admin/batch/schedules/{id}");
    let changed =
        serde_json::json!({"cron_expression": "0 6 * * *", "timezone": "Europe/Berlin", "is_active": true});
    let changed = admin.put(&path, changed).await.expect(200);
    assert_eq!(changed["timezone"], "Europe/Berlin");
    assert!(changed["next_run_at"].is_string());
    let wrong = serde_json::json!({"cron_expression": "0 6 * *", "is_active": true});
    admin.put(&path, wrong).await.expect_wrong_field("cron_expression");
    let wrong = serde_json::json!({"cron_expression": "0 6 * * *", "timezone": "Nowhere", "is_active": true});
    admin.put(&path, wrong).await.expect_wrong_field("timezone");
    let off = serde_json::json!({"cron_expression": "0 6 * * *", "is_active": false});
    assert!(admin.put(&path, off).await.expect(200)["next_run_at"].is_null());
}
