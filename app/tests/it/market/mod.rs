//! Market data: files, providers, the calendar, series, and the routes that show them.

mod calendar;
mod copy;
mod fetch;
mod files;
mod routes;
mod search;
mod series;

use std::io::Cursor;
use std::str::FromStr;

use chrono::NaiveDate;
use sea_orm::prelude::Decimal;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tandem::market::import::{Kind, Options, Report};

use crate::support::TestApp;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn money(text: &str) -> Decimal {
    Decimal::from_str(text).unwrap()
}

fn owned(symbols: &[&str]) -> Vec<String> {
    symbols.iter().map(|symbol| (*symbol).to_owned()).collect()
}

/// Imports a file of these bytes.
async fn try_import(
    app: &TestApp,
    kind: Kind,
    file: impl Into<Vec<u8>>,
    is_dry_run: bool,
) -> tandem::error::Result<Report> {
    let options = Options { source: "test".to_owned(), is_dry_run };
    tandem::market::import::import(app.core(), kind, Box::new(Cursor::new(file.into())), &options, |_| {})
        .await
}

async fn import(app: &TestApp, kind: Kind, file: impl Into<Vec<u8>>) -> Report {
    try_import(app, kind, file, false).await.unwrap()
}

/// New, changed, unchanged, rejected.
fn counts(report: &Report) -> (u64, u64, u64, u64) {
    (report.new, report.changed, report.unchanged, report.rejected)
}

/// The first column of a query as text.
async fn texts(app: &TestApp, sql: &str) -> Vec<String> {
    let rows = app.core().query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn execute(app: &TestApp, sql: &str) {
    app.core().execute_unprepared(sql).await.unwrap();
}
