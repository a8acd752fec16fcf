//! The program itself: two at once, and one that is killed or paused in the middle of a run.
//! S1-29, P-CA-12.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sea_orm::ConnectionTrait;
use serde_json::Value;
use tandem::config::Env;

use super::fixture::{buy, closes, execute, number_of, portfolio, text};
use crate::process::{run, run_failing, tandem};
use crate::support::TestApp;
use crate::support::postgres::{self, Layout};

const PATIENCE: Duration = Duration::from_mins(1);
/// More than two transactions of a run.
const PORTFOLIOS: usize = 40;
const ARGUMENTS: [&str; 5] = ["batch", "run", "--to", "2024-01-12", "--json"];
const DAYS: i64 = 5;

pub(super) async fn books(app: &TestApp) -> Vec<entity::ids::PortfolioId> {
    let user = app.user().await;
    let days = ["2024-01-08", "2024-01-09", "2024-01-10", "2024-01-11", "2024-01-12"];
    closes(app.core(), "ALFA", &days.map(|day| (day, "11"))).await;
    let mut ids = Vec::new();
    for _ in 0..PORTFOLIOS {
        let id = portfolio(app.core(), user.id, None).await;
        buy(app.core(), id, "ALFA", "10", "10", "2024-01-08").await;
        ids.push(id);
    }
    // They are stale already: no process has to lock all of them at once for the sake of prices.
    execute(app.core(), "UPDATE symbol_universe SET changed_from = NULL", []).await;
    ids
}

fn environment(app: &TestApp) -> Env {
    let mut env = app.urls.env();
    env.insert("TANDEM__JOBS__LEASE_S".to_owned(), "4".to_owned());
    env
}

fn start(env: &Env) -> Child {
    tandem(env, &ARGUMENTS).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Its outcome, if it succeeded.
fn outcome(child: Child) -> Value {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

pub(super) async fn until(app: &TestApp, sql: &str) {
    let started = Instant::now();
    while number_of(app.core(), sql, []).await == 0 {
        assert!(started.elapsed() < PATIENCE, "still none: {sql}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn check_whole(app: &TestApp) {
    let snapshots = i64::try_from(PORTFOLIOS).unwrap() * DAYS;
    assert_eq!(number_of(app.core(), "SELECT count(*) FROM portfolio_snapshots", []).await, snapshots);
    let wrong = "SELECT count(*) FROM portfolio_snapshots WHERE total_value <> 110 OR cumulative_pnl <> 10 OR NOT is_complete";
    assert_eq!(number_of(app.core(), wrong, []).await, 0);
    assert_eq!(number_of(app.core(), "SELECT count(*) FROM batch_run_history", []).await, 1);
    let counted =
        "SELECT concat_ws(' ', status, total_jobs, completed_jobs, failed_jobs) FROM batch_run_history";
    assert_eq!(text(app.core(), counted, []).await.unwrap(), "completed 40 40 0");
    let twice = "SELECT count(*) FROM batch_jobs WHERE job_name = 'snapshots' AND records_processed <> 200";
    assert_eq!(number_of(app.core(), twice, []).await, 0);
}

/// Straight after a new schema is there.
#[tokio::test(flavor = "multi_thread")]
async fn the_command_runs_on_empty_databases() {
    let env = postgres::empty(Layout::Dual).await.env();
    let told: Value = serde_json::from_str(&run(&env, &ARGUMENTS)).unwrap();
    assert_eq!(told["status"], "completed");
    assert_eq!(told["portfolios"], serde_json::json!({"total": 0, "completed": 0, "failed": 0}));
    let plain = run(&env, &["batch", "run", "--date", "2024-01-12"]);
    assert!(plain.ends_with("0 portfolios computed, 0 failed\n"), "{plain}");
    let refused = run_failing(&env, &["batch", "run", "--to", "2999-01-01"]);
    assert!(refused.contains("the last trading day that is over"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_processes_told_to_run_at_once_make_one_run() {
    let app = TestApp::start().await;
    books(&app).await;
    let env = environment(&app);
    let (one, other) = (start(&env), start(&env));
    let (one, other) = (outcome(one), outcome(other));
    // The second can come so late that everything is done: then it has a run of its own, without work.
    let runs = number_of(app.core(), "SELECT count(*) FROM batch_run_history", []).await;
    if one["batch_run_id"] == other["batch_run_id"] {
        check_whole(&app).await;
    } else {
        assert_eq!(runs, 2);
        let apart = "SELECT count(*) FROM batch_run_history AS one JOIN batch_run_history AS other
            ON one.completed_at <= other.started_at AND one.completed_jobs + other.completed_jobs = 40";
        assert_eq!(number_of(app.core(), apart, []).await, 1);
    }
}

/// A run is held up at its last portfolios by a lock, its process gets the signal, and another one is started.
async fn taken_over(signal: Signal) -> (TestApp, Child, Child) {
    let app = TestApp::start().await;
    let ids = books(&app).await;
    let env = environment(&app);
    let lock = app.core().begin().await.unwrap();
    let last = ids.iter().max().unwrap();
    lock.execute_unprepared(&format!("SELECT 1 FROM portfolios WHERE id = '{last}' FOR UPDATE"))
        .await
        .unwrap();
    let first = start(&env);
    until(&app, "SELECT count(*) FROM batch_run_history WHERE completed_jobs >= 32").await;
    until(&app, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").await;
    kill(Pid::from_raw(i32::try_from(first.id()).unwrap()), signal).unwrap();
    lock.commit().await.unwrap();
    let began = Instant::now();
    let second = start(&env);
    until(&app, "SELECT count(*) FROM batch_run_history WHERE attempts = 2").await;
    // The lease, and as much again at the most for a session in the middle of its work.
    assert!(began.elapsed() < Duration::from_secs(12), "{:?}", began.elapsed());
    (app, first, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_whose_process_is_killed_is_taken_over_and_nothing_is_doubled() {
    let (app, mut first, second) = taken_over(Signal::SIGKILL).await;
    assert_eq!(outcome(second)["portfolios"]["completed"], 40);
    first.wait().unwrap();
    check_whole(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_paused_finds_its_run_taken_and_writes_nothing() {
    let (app, first, second) = taken_over(Signal::SIGSTOP).await;
    assert_eq!(outcome(second)["portfolios"]["completed"], 40);
    check_whole(&app).await;
    kill(Pid::from_raw(i32::try_from(first.id()).unwrap()), Signal::SIGCONT).unwrap();
    // It follows the run to its end, as the other did.
    assert_eq!(outcome(first)["status"], "completed");
    check_whole(&app).await;
}
