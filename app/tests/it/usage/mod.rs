//! The ledger, quotas, and which model answers.

mod ledger;
mod models;
mod proof;
mod quota;
mod reports;

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, QueryOrder, Statement};

use crate::support::TestApp;
use crate::support::app::Options;
use crate::support::model::ModelServer;
use entity::core::usage_record::{self, Model as Record};

/// An application whose language model is the scripted server, asked once and about nothing else.
fn options(server: &ModelServer) -> Options {
    TestApp::with()
        .env("OPENAI_BASE_URL", server.url())
        .env("CHAT_MODEL", "gpt-4o-mini-scripted")
        .env("TANDEM__MODELS__RETRIES", 0)
        .env("TANDEM__CHAT__RETRIEVED_PASSAGES", 0)
        .env("TANDEM__CHAT__RETRIEVED_MEMORIES", 0)
}

/// The whole ledger, oldest first.
async fn ledger(app: &TestApp) -> Vec<Record> {
    usage_record::Entity::find().order_by_asc(usage_record::Column::Id).all(app.core()).await.unwrap()
}

async fn number(app: &TestApp, sql: &str) -> i64 {
    let row = app.core().query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

async fn run(app: &TestApp, sql: &str) {
    app.core().execute_unprepared(sql).await.unwrap();
}
