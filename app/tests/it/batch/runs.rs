//! Runs: what they compute, what they leave alone, who may have one. S1-59, P-CA-2, P-CA-12, P-CA-13.

use entity::core::batch_run::BatchStatus;
use entity::ids::BatchRunId;
use tandem::analytics::{self, Requested, history};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::fixture::{
    buy, closes, day, everything, execute, new_run, number_of, portfolio, run, snapshot, stale, text,
};
use crate::support::TestApp;

const WEEK: [(&str, &str); 5] = [
    ("2024-01-08", "10.00"),
    ("2024-01-09", "11.00"),
    ("2024-01-10", "12.00"),
    ("2024-01-11", "13.00"),
    ("2024-01-12", "14.00"),
];

async fn value(app: &TestApp, portfolio: entity::ids::PortfolioId, on: &str) -> Option<String> {
    snapshot(app.core(), portfolio, on).await.get("total_value").cloned().flatten()
}

#[tokio::test]
async fn missed_days_are_filled_and_days_that_are_right_are_left_alone() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let book = portfolio(app.core(), user.id, None).await;
    closes(app.core(), "ALFA", &WEEK).await;
    buy(app.core(), book, "ALFA", "10", "10", "2024-01-08").await;
    assert_eq!(run(&app, new_run(None, "2024-01-09")).await, "completed");
    assert_eq!(value(&app, book, "2024-01-09").await.unwrap(), "110.00");
    let first = everything(app.core()).await;
    // Nothing to do: nothing is written.
    assert_eq!(run(&app, new_run(None, "2024-01-09")).await, "completed");
    assert_eq!(everything(app.core()).await, first);
    // Three days later.
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    let count = "SELECT count(*) FROM portfolio_snapshots";
    assert_eq!(number_of(app.core(), count, []).await, 5);
    assert_eq!(value(&app, book, "2024-01-12").await.unwrap(), "140.00");
    // A day that got lost comes back, and only that one is written.
    let whole = everything(app.core()).await;
    let stamp = "SELECT string_agg(updated_at::text, ' ' ORDER BY snapshot_date) FROM portfolio_snapshots WHERE snapshot_date <> '2024-01-10'";
    let before = text(app.core(), stamp, []).await;
    execute(app.core(), "DELETE FROM portfolio_snapshots WHERE snapshot_date = '2024-01-10'", []).await;
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    assert_eq!(number_of(app.core(), count, []).await, 5);
    assert_eq!(text(app.core(), stamp, []).await, before);
    assert_eq!(value(&app, book, "2024-01-10").await.unwrap(), "120.00");
    assert_ne!(everything(app.core()).await, whole);
    let tracked =
        "SELECT count(*) FROM batch_run_tracking WHERE completed_at IS NOT NULL AND data_coverage = 1";
    assert_eq!(number_of(app.core(), tracked, []).await, 5);
}

#[tokio::test]
async fn a_late_lot_changes_figures_from_its_day_on() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let book = portfolio(app.core(), user.id, None).await;
    closes(app.core(), "ALFA", &WEEK).await;
    buy(app.core(), book, "ALFA", "10", "10", "2024-01-08").await;
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    let untouched = snapshot(app.core(), book, "2024-01-09").await;
    buy(app.core(), book, "ALFA", "1", "12", "2024-01-10").await;
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    assert_eq!(snapshot(app.core(), book, "2024-01-09").await, untouched);
    assert_eq!(value(&app, book, "2024-01-10").await.unwrap(), "132.00");
    assert_eq!(value(&app, book, "2024-01-12").await.unwrap(), "154.00");
    // Every lot is deleted: no figures are left.
    execute(app.core(), "UPDATE positions SET deleted_at = now()", []).await;
    stale(app.core(), book, "2024-01-08").await;
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    assert_eq!(number_of(app.core(), "SELECT count(*) FROM portfolio_snapshots", []).await, 0);
}

#[tokio::test]
async fn prices_that_change_reach_those_who_hold_them() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let holder = portfolio(app.core(), user.id, None).await;
    let other = portfolio(app.core(), user.id, None).await;
    for symbol in ["ALFA", "BETA"] {
        closes(app.core(), symbol, &WEEK).await;
    }
    buy(app.core(), holder, "ALFA", "10", "10", "2024-01-08").await;
    buy(app.core(), other, "BETA", "10", "10", "2024-01-08").await;
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    let untouched = snapshot(app.core(), other, "2024-01-12").await;
    closes(app.core(), "ALFA", &[("2024-01-10", "12.50")]).await;
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    assert_eq!(value(&app, holder, "2024-01-10").await.unwrap(), "125.00");
    assert_eq!(value(&app, holder, "2024-01-12").await.unwrap(), "140.00");
    assert_eq!(snapshot(app.core(), other, "2024-01-12").await, untouched);
    let waiting = "SELECT count(*) FROM symbol_universe WHERE changed_from IS NOT NULL";
    assert_eq!(number_of(app.core(), waiting, []).await, 0);
}

#[tokio::test]
async fn one_run_is_open_at_a_time_and_a_forced_one_waits_behind_it() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let book = portfolio(app.core(), user.id, None).await;
    let started = async |new| match analytics::request(app.core(), new).await.unwrap() {
        Requested::Started(run) => Ok(run.id),
        Requested::Open(run) => Err(run.id),
    };
    let first = started(new_run(None, "2024-01-09")).await.unwrap();
    assert_eq!(started(new_run(None, "2024-01-09")).await, Err(first));
    // One that waits already is as good as another.
    let mut forced = new_run(None, "2024-01-09");
    forced.force = true;
    assert_eq!(started(forced.clone()).await, Err(first));
    // A portfolio's own run is another matter.
    assert!(started(new_run(Some(book), "2024-01-09")).await.is_ok());
    let held = "UPDATE batch_run_history SET status = 'running', lease_owner = id, lease_expires_at = now() + interval '1 minute' WHERE id = $1";
    execute(app.core(), held, [first.0.into()]).await;
    let second = started(forced.clone()).await.unwrap();
    // The same request again meets its run.
    assert_eq!(started(forced.clone()).await, Ok(second));
    forced.id = BatchRunId(Uuid::now_v7());
    assert_eq!(started(forced).await, Err(second));
    let stop = CancellationToken::new();
    assert_eq!(analytics::run_one(&app.state, Some(second), &stop).await.unwrap(), None);
    assert_eq!(analytics::run_one(&app.state, Some(first), &stop).await.unwrap(), None);
    // Called off while it runs; then the forced one has its turn.
    assert_eq!(analytics::cancel(app.core()).await.unwrap().id, first);
    assert_eq!(analytics::run_one(&app.state, Some(second), &stop).await.unwrap(), Some(second));
    assert_eq!(history::find(app.core(), second).await.unwrap().status, BatchStatus::Completed);
}

#[tokio::test]
async fn who_takes_a_run_over_goes_on_with_what_is_left() {
    let app = TestApp::start().await;
    let user = app.user().await;
    closes(app.core(), "ALFA", &WEEK).await;
    let done = portfolio(app.core(), user.id, None).await;
    let left = portfolio(app.core(), user.id, None).await;
    for book in [done, left] {
        buy(app.core(), book, "ALFA", "10", "10", "2024-01-08").await;
    }
    let Requested::Started(run) = analytics::request(app.core(), new_run(None, "2024-01-12")).await.unwrap()
    else {
        panic!("a run is open");
    };
    // As a process leaves it that died after the first portfolio.
    execute(
        app.core(),
        "UPDATE batch_run_history SET status = 'running', lease_owner = $2, lease_expires_at = now() - interval '1 second',
                attempts = 1, total_jobs = 2, completed_jobs = 1 WHERE id = $1",
        [run.id.0.into(), Uuid::now_v7().into()],
    )
    .await;
    execute(
        app.core(),
        "INSERT INTO batch_run_portfolios (run_id, portfolio_id) VALUES ($1, $2)",
        [run.id.0.into(), done.0.into()],
    )
    .await;
    let stop = CancellationToken::new();
    assert_eq!(analytics::run_one(&app.state, None, &stop).await.unwrap(), Some(run.id));
    let ended = history::find(app.core(), run.id).await.unwrap();
    assert_eq!((ended.status, ended.attempts), (BatchStatus::Completed, 2));
    assert_eq!((ended.total_jobs, ended.completed_jobs, ended.failed_jobs), (2, 2, 0));
    assert_eq!(value(&app, done, "2024-01-12").await, None);
    assert_eq!(value(&app, left, "2024-01-12").await.unwrap(), "140.00");
}

#[tokio::test]
async fn a_portfolio_that_fails_is_named_and_keeps_nobody_from_being_done() {
    let app = TestApp::start().await;
    let user = app.user().await;
    closes(app.core(), "ALFA", &WEEK).await;
    let well = portfolio(app.core(), user.id, None).await;
    buy(app.core(), well, "ALFA", "10", "10", "2024-01-08").await;
    let beyond = portfolio(app.core(), user.id, None).await;
    for _ in 0..2 {
        buy(app.core(), beyond, "VAST", "900000000", "999999999", "2024-01-08").await;
    }
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "failed");
    assert_eq!(value(&app, well, "2024-01-12").await.unwrap(), "140.00");
    assert_eq!(value(&app, beyond, "2024-01-12").await, None);
    let ended =
        history::list(app.core(), &serde_json::from_value(serde_json::json!({})).unwrap()).await.unwrap();
    let ended = &ended.items[0];
    assert_eq!((ended.completed_jobs, ended.failed_jobs), (1, 1));
    let named = &ended.error_summary.as_ref().unwrap()["portfolios"][beyond.to_string()];
    assert_eq!(named, "its sums are beyond what can be stored");
    let phases = history::phases(app.core(), ended.id).await.unwrap();
    let status: Vec<_> = phases.iter().map(|phase| (phase.job_name.as_str(), phase.status)).collect();
    assert_eq!(
        status,
        [
            ("prices", BatchStatus::Completed),
            ("valuation", BatchStatus::Failed),
            ("snapshots", BatchStatus::Failed)
        ]
    );
    // It is stale still, and the next run names it again.
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "failed");
}

#[tokio::test]
async fn incomplete_snapshots_can_be_cleaned_up() {
    let app = TestApp::start().await;
    let user = app.user().await;
    closes(app.core(), "ALFA", &WEEK).await;
    let book = portfolio(app.core(), user.id, None).await;
    buy(app.core(), book, "ALFA", "10", "10", "2024-01-08").await;
    execute(app.core(), "UPDATE positions SET currency = 'CHF'", []).await;
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    let count = "SELECT count(*) FROM portfolio_snapshots WHERE NOT is_complete";
    assert_eq!(number_of(app.core(), count, []).await, 5);
    assert_eq!(analytics::cleanup_incomplete(app.core()).await.unwrap(), (5, 1));
    assert_eq!(number_of(app.core(), count, []).await, 0);
    // The rate comes, and everything is complete.
    closes(app.core(), "USD/CHF", &[("2024-01-05", "0.80")]).await;
    assert_eq!(run(&app, new_run(None, "2024-01-12")).await, "completed");
    assert_eq!(number_of(app.core(), count, []).await, 0);
    assert_eq!(value(&app, book, "2024-01-08").await.unwrap(), "125.00");
}

#[tokio::test]
async fn days_that_are_not_over_are_refused() {
    let app = TestApp::start().await;
    let mut new = new_run(None, "2999-01-01");
    assert!(analytics::request(app.core(), new.clone()).await.is_err());
    new.to = Some(day("2024-01-09"));
    new.from = Some(day("2024-01-10"));
    assert!(analytics::request(app.core(), new).await.is_err());
}
