//! What the batch needs and does not have: a provider of prices, the database.

use std::time::{Duration, Instant};

use entity::core::batch_run::BatchStatus;
use sea_orm::ConnectionTrait;
use tandem::analytics::{self, Requested, history};
use tokio_util::sync::CancellationToken;

use super::fixture::{buy, closes, new_run, number_of, portfolio, text};
use super::processes::{books, check_whole, until};
use crate::support::TestApp;
use crate::support::app::Options;
use crate::support::postgres::{self, Layout};
use crate::support::wire::Wire;

/// Nobody listens there.
const NOBODY: &str = "http://127.0.0.1:9";

/// A run with this provider over a lot whose prices are there up to the day before: how it ended, what it
/// stored of both days, and its log.
async fn with(options: Options) -> (BatchStatus, Vec<String>, String) {
    let app = options.start().await;
    let user = app.user().await;
    closes(app.core(), "ALFA", &[("2024-01-08", "10"), ("2024-01-09", "11")]).await;
    let book = portfolio(app.core(), user.id, None).await;
    buy(app.core(), book, "ALFA", "10", "10", "2024-01-08").await;
    let Requested::Started(run) = analytics::request(app.core(), new_run(None, "2024-01-10")).await.unwrap()
    else {
        panic!("a run is open");
    };
    let stop = CancellationToken::new();
    assert_eq!(analytics::run_one(&app.state, None, &stop).await.unwrap(), Some(run.id));
    let ended = history::find(app.core(), run.id).await.unwrap();
    let values = "SELECT string_agg(total_value::text, ' ' ORDER BY snapshot_date) FROM portfolio_snapshots";
    let values = text(app.core(), values, []).await.unwrap_or_default();
    let log = "SELECT string_agg(message, '; ' ORDER BY seq) FROM batch_run_logs";
    let log = text(app.core(), log, []).await.unwrap();
    (ended.status, values.split(' ').map(str::to_owned).collect(), log)
}

#[tokio::test]
async fn a_provider_that_is_away_leaves_the_figures_to_what_is_stored() {
    let tiingo = |base: &str| {
        TestApp::with()
            .env("MARKET_PROVIDER", "tiingo")
            .env("TIINGO_API_KEY", "a key of the test")
            .env("TIINGO_BASE_URL", base)
            .env("TANDEM__MARKET__RETRIES", 0)
    };
    let (status, values, log) = with(tiingo(NOBODY)).await;
    assert_eq!(
        (status, values),
        (BatchStatus::Completed, ["100.00", "110.00", "110.00"].map(str::to_owned).to_vec())
    );
    assert!(log.contains("1 symbols without an answer: ALFA"), "{log}");

    // A folder that is not there is a setting that is wrong: it is said, and the figures are there all the same.
    let (status, values, log) = with(TestApp::with().env("MARKET_DATA_DIR", "/no/such/folder")).await;
    assert_eq!((status, values.len()), (BatchStatus::Failed, 3), "{log}");
    assert!(log.contains("prices could not be fetched"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_goes_on_when_the_database_is_back() {
    let urls = postgres::migrated(Layout::Dual).await;
    let wire = Wire::to(&urls.core).await;
    let direct = TestApp::with().over(urls.clone()).start().await;
    let app = TestApp::with()
        .over(urls)
        .env("DATABASE_URL", wire.url())
        .env("TANDEM__JOBS__LEASE_S", 4)
        .start()
        .await;
    let ids = books(&direct).await;
    let Requested::Started(run) =
        analytics::request(direct.core(), new_run(None, "2024-01-12")).await.unwrap()
    else {
        panic!("a run is open");
    };
    // It is in the middle of its last portfolios.
    let lock = direct.core().begin().await.unwrap();
    let last = ids.iter().max().unwrap();
    lock.execute_unprepared(&format!("SELECT 1 FROM portfolios WHERE id = '{last}' FOR UPDATE"))
        .await
        .unwrap();
    let state = app.state.clone();
    let running =
        tokio::spawn(async move { analytics::run_one(&state, None, &CancellationToken::new()).await });
    until(&direct, "SELECT count(*) FROM batch_run_history WHERE completed_jobs >= 32").await;
    until(&direct, "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()").await;
    wire.cut();
    let error = running.await.unwrap().unwrap_err();
    assert!(error.is_outage(), "{error}");
    let open = "SELECT count(*) FROM batch_run_history WHERE status = 'running'";
    assert_eq!(number_of(direct.core(), open, []).await, 1, "nobody says that it failed");
    wire.mend();
    lock.commit().await.unwrap();
    let began = Instant::now();
    loop {
        match analytics::run_one(&app.state, None, &CancellationToken::new()).await {
            Ok(Some(id)) => break assert_eq!(id, run.id),
            // Its lease is not over, or the pool has not found out yet.
            Ok(None) | Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
        assert!(began.elapsed() < Duration::from_secs(20), "nobody goes on with the run");
    }
    check_whole(&direct).await;
}
