//! Changing the embedding model online: nobody waits, nothing is lost, nothing is mixed.

mod edges;
mod killed;
mod online;

use std::time::{Duration, Instant};

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use serde_json::{Value, json};
use tandem::llm::EmbedKind;

use crate::support::TestApp;
use crate::support::app::Options;
use crate::support::model::{ModelServer, bag_of_words};
use crate::support::user::TestUser;

/// Length of the scripted model's vectors.
const LENGTH: usize = 48;
const SPACES: &str = "/admin/embedding-spaces";

/// An application on the small local model, with a scripted provider beside it.
fn with(server: &ModelServer) -> Options {
    TestApp::with().env("OPENAI_BASE_URL", server.url())
}

/// What is asked for to change to the scripted model.
fn wanted(dimensions: usize) -> Value {
    json!({"provider": "openai", "model": "scripted", "dimensions": dimensions})
}

/// A text of its own for each number.
fn text(number: usize) -> String {
    format!("alpha{number} beta{} gamma{} delta{}", number / 2, number / 3, number % 7)
}

/// Sources with these numbers, ingested.
async fn sources(app: &TestApp, user: &TestUser, numbers: std::ops::Range<usize>) {
    let all: Vec<usize> = numbers.collect();
    for some in all.chunks(200) {
        let items: Vec<Value> = some
            .iter()
            .map(|n| json!({"title": format!("s{n}"), "external_id": format!("s{n}"), "text": text(*n)}))
            .collect();
        user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
    }
    app.run_jobs().await;
}

/// Memories with these numbers.
async fn memories(user: &TestUser, numbers: std::ops::Range<usize>) {
    let items: Vec<Value> =
        numbers.map(|n| json!({"external_id": format!("m{n}"), "content": text(n)})).collect();
    user.post("/memories/batch", json!({ "items": items })).await.expect(200);
}

/// Waits until the space has this status.
async fn until(admin: &TestUser, id: &str, status: &str) -> Value {
    let begun = Instant::now();
    loop {
        let spaces = admin.get(SPACES).await.expect(200);
        let space =
            spaces["items"].as_array().unwrap().iter().find(|space| space["id"] == id).unwrap().clone();
        if space["status"] == status {
            return space;
        }
        assert!(begun.elapsed() < Duration::from_mins(1), "not {status}: {space}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Begins a change and waits until it is ready; the space's id.
async fn made_ready(admin: &TestUser, body: Value) -> String {
    let begun = admin.post(SPACES, body).await.expect(202);
    let id = begun["space"]["id"].as_str().unwrap().to_owned();
    until(admin, &id, "ready").await;
    id
}

/// Contents of a table's rows with their vectors in a column; none where it is empty.
async fn vectors(ai: &DatabaseConnection, table: &str, column: &str) -> Vec<(String, Option<Vec<f32>>)> {
    let sql = format!("SELECT content, {column}::vector::real[] AS vector FROM {table} ORDER BY id");
    let rows = ai.query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    rows.iter().map(|row| (row.try_get("", "content").unwrap(), row.try_get("", "vector").unwrap())).collect()
}

fn is_near(a: &[f32], b: &[f32]) -> bool {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    a.len() == b.len() && dot(a, b) / (dot(a, a) * dot(b, b)).sqrt() > 0.999
}

/// Every row of both tables holds, in this column, the scripted model's vector of its own text.
async fn all_are_scripted(ai: &DatabaseConnection, column: &str, dimensions: usize) {
    for table in ["ai_kb_documents", "ai_memories"] {
        for (content, vector) in vectors(ai, table, column).await {
            let vector = vector.unwrap_or_else(|| panic!("{table}: {content} has none in {column}"));
            assert!(is_near(&vector, &bag_of_words(&content, dimensions)), "{table}.{column}: {content}");
        }
    }
}

/// Every row of both tables holds the local model's vector of its own text.
async fn all_are_local(app: &TestApp) {
    for table in ["ai_kb_documents", "ai_memories"] {
        let (texts, found): (Vec<_>, Vec<_>) =
            vectors(app.ai(), table, "embedding").await.into_iter().unzip();
        let made = app.state.models.embedder.embed(EmbedKind::Passage, texts.clone()).await.unwrap().vectors;
        for ((text, found), made) in texts.iter().zip(found).zip(made) {
            assert!(is_near(&found.unwrap(), &made), "{table}: {text}");
        }
    }
}

/// One value out of the ai database, as text.
async fn said(app: &TestApp, sql: &str) -> String {
    let statement = Statement::from_string(DbBackend::Postgres, format!("SELECT ({sql})::text"));
    let row = app.ai().query_one_raw(statement).await.unwrap().unwrap();
    row.try_get_by_index::<Option<String>>(0).unwrap().unwrap_or_default()
}

/// The type of the active column.
async fn type_of(app: &TestApp, table: &str) -> String {
    let sql = format!(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attname = 'embedding'"
    );
    said(app, &sql).await
}
