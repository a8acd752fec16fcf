//! What core decided reaches ai: in order, once, whatever is away or dies.

mod accounts;
mod away;
mod delivery;
mod gone;

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value as DbValue};
use serde_json::{Value, json};
use tandem::db::{CoreDb, CoreTx};

use crate::support::TestApp;
use crate::support::user::TestUser;

/// An application that looks for what an answer may rest on until it is found,
/// however loaded the machine.
pub(crate) async fn patient() -> TestApp {
    TestApp::with().env("TANDEM__CHAT__RETRIEVAL_DEADLINE_MS", 20_000).start().await
}

/// One number out of a database.
pub(crate) async fn count(connection: &impl ConnectionTrait, sql: &str) -> i64 {
    count_of(connection, sql, []).await
}

/// One number out of a database, for some values.
pub(crate) async fn count_of(
    connection: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = DbValue>,
) -> i64 {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// Events that wait, those given up too.
pub(crate) async fn waiting(core: &CoreDb) -> i64 {
    count(core, "SELECT count(*) FROM outbox WHERE delivered_at IS NULL").await
}

async fn begin(core: &CoreDb) -> CoreTx {
    core.begin().await.unwrap()
}

/// A source of the user under an external id, ingested.
async fn source(app: &TestApp, user: &TestUser, external_id: &str, text: &str) -> String {
    let id = offer(user, external_id, text).await;
    app.run_jobs().await;
    id
}

/// Sends a text under an external id.
async fn offer(user: &TestUser, external_id: &str, text: &str) -> String {
    let body = json!({ "title": external_id, "text": text, "external_id": external_id });
    id_of(&user.post("/knowledge/sources", body).await.expect(202))
}

/// States a memory.
async fn state(user: &TestUser, content: &str) -> String {
    let stored = user.post("/memories", json!({ "content": content })).await;
    assert!(matches!(stored.status, 200 | 201), "{}", stored.body);
    id_of(&serde_json::from_str(&stored.body).unwrap())
}

fn id_of(body: &Value) -> String {
    body["id"].as_str().unwrap().to_owned()
}
