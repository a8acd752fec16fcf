//! COPY inside our own transactions.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use tandem::db::copy_text::Row;
use tandem::error::Error;

use super::{execute, texts};
use crate::support::TestApp;

const COPY: &str = "COPY copied (number, words) FROM STDIN";

fn rows(count: i64) -> Vec<u8> {
    let mut rows = Vec::new();
    for number in 0..count {
        Row::on(&mut rows).put(number).put(Some("tab\t line\n back\\ ünïcode \\N")).end();
    }
    rows
}

async fn app() -> TestApp {
    let app = TestApp::start().await;
    execute(&app, "CREATE TABLE copied (number bigint PRIMARY KEY, words text)").await;
    app
}

async fn count(app: &TestApp) -> String {
    texts(app, "SELECT count(*)::text FROM copied").await.remove(0)
}

#[tokio::test]
async fn rows_come_with_the_commit_as_they_were_written() {
    let app = app().await;
    let tx = app.core().begin().await.unwrap();
    assert_eq!(tx.copy_in(COPY, &rows(5000)).await.unwrap(), 5000);
    assert_eq!(tx.copy_in(COPY, &[]).await.unwrap(), 0);
    tx.execute_unprepared("UPDATE copied SET number = -1 WHERE number = 0").await.unwrap();
    assert_eq!(count(&app).await, "0");
    tx.commit().await.unwrap();
    assert_eq!(count(&app).await, "5000");
    assert_eq!(texts(&app, "SELECT DISTINCT words FROM copied").await, ["tab\t line\n back\\ ünïcode \\N"]);
    let tx = app.core().begin().await.unwrap();
    tx.execute_unprepared("DELETE FROM copied").await.unwrap();
    tx.copy_in(COPY, &rows(10)).await.unwrap();
    drop(tx);
    assert_eq!(count(&app).await, "5000");
}

#[tokio::test]
async fn a_wrong_row_ends_the_transaction_and_not_the_connection() {
    let app = app().await;
    for wrong in [b"1\tone\n1\tagain\n".as_slice(), b"one\tone\n", b"1\n", b"1\tone\ttwo\n"] {
        let tx = app.core().begin().await.unwrap();
        let error = tx.copy_in(COPY, wrong).await.unwrap_err();
        assert!(matches!(error, Error::Database(_)), "{error}");
        tx.execute_unprepared("SELECT 1").await.unwrap_err();
        drop(tx);
    }
    let tx = app.core().begin().await.unwrap();
    tx.copy_in("COPY nothing_of_that_name FROM STDIN", &rows(1)).await.unwrap_err();
    drop(tx);
    for _ in 0..20 {
        assert_eq!(count(&app).await, "0");
    }
}

/// The caller goes away while the server has not answered yet: the next one on
/// the connection must not hear that answer.
#[tokio::test]
async fn a_copy_that_nobody_waits_for_leaves_the_connection_in_order() {
    let app = TestApp::with().env("TANDEM__DATABASE__CORE_POOL_MAX", 2).start().await;
    execute(&app, "CREATE TABLE copied (number bigint PRIMARY KEY, words text)").await;
    // Before the server takes rows; and when it has them all, and waits for a key that somebody else may keep.
    for obstacle in ["LOCK TABLE copied IN ACCESS EXCLUSIVE MODE", "INSERT INTO copied VALUES (1, 'not yet')"]
    {
        let blocker = app.core().begin().await.unwrap();
        blocker.execute_unprepared(obstacle).await.unwrap();
        let tx = app.core().begin().await.unwrap();
        let impatient = tokio::time::timeout(Duration::from_millis(100), tx.copy_in(COPY, &rows(3))).await;
        assert!(impatient.is_err(), "{obstacle} was no obstacle");
        tx.execute_unprepared("SELECT 1").await.unwrap_err();
        drop(tx);
        drop(blocker);
        for _ in 0..10 {
            assert_eq!(count(&app).await, "0", "{obstacle}");
        }
        // What was given up runs to its end, and would meet the next obstacle too.
        let over = app.core().begin().await.unwrap();
        over.execute_unprepared("LOCK TABLE copied").await.unwrap();
    }
}
