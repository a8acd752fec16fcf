//! The knowledge base, from a text that is sent to a passage that is found.

mod batch;
mod collections;
mod failures;
mod files;
mod filters;
mod hybrid;
mod import;
mod isolation;
mod manage;
mod rerank;
mod search;
mod selectivity;
mod sources;
mod words;

use sea_orm::{ConnectionTrait, DbBackend, Statement, Value as DbValue};
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::user::TestUser;

/// Sends a text and waits until it is ingested; the source's id.
async fn ingested(app: &TestApp, user: &TestUser, body: Value) -> String {
    let accepted = user.post("/knowledge/sources", body).await.expect(202);
    app.run_jobs().await;
    let id = accepted["id"].as_str().unwrap().to_owned();
    let source = user.get(&format!("/knowledge/sources/{id}")).await.expect(200);
    assert_eq!(source["status"], "ready", "{source}");
    id
}

/// Sends texts under external ids and waits until they are ingested.
async fn all_ingested(app: &TestApp, user: &TestUser, texts: &[(&str, &str)]) {
    let items: Vec<Value> =
        texts.iter().map(|(id, text)| json!({"title": id, "external_id": id, "text": text})).collect();
    user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
    app.run_jobs().await;
}

/// External ids of what a search finds, best first.
async fn found(user: &TestUser, body: Value) -> Vec<String> {
    let result = user.post("/knowledge/search", body).await.expect(200);
    hits(&result).iter().map(|hit| hit["external_id"].as_str().unwrap().to_owned()).collect()
}

fn hits(result: &Value) -> &Vec<Value> {
    result["hits"].as_array().unwrap()
}

/// One number out of the ai database.
async fn number(app: &TestApp, sql: &str, values: impl IntoIterator<Item = DbValue>) -> i64 {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    app.ai().query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}
