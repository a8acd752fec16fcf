//! 20,000 passages: filters that let few through, and the index that is used.

use entity::ids::{TenantId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use serde_json::{Value, json};
use tandem::auth::Audience;
use tandem::db::vector::{self, Nearest};
use uuid::Uuid;

use super::{hits, number};
use crate::support::TestApp;

const INDEX: &str = "ix_ai_kb_documents_embedding_hnsw";

/// 5,000 sources of four passages each with random vectors, shared with
/// everybody. Every thousandth passage has the scope `rare`.
async fn filled(app: &TestApp) {
    let ai = app.ai();
    let definition = "SELECT indexdef FROM pg_indexes WHERE indexname = $1";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, definition, [INDEX.into()]);
    let index: String = ai.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    let transaction = ai.begin().await.unwrap();
    for sql in [
        &format!("DROP INDEX {INDEX}"),
        "SELECT setseed(0.42)",
        "INSERT INTO ai_kb_sources (id, external_id, scope, title, media_type, content, content_hash, status)
         SELECT md5(n::text)::uuid, 's' || n, 'global', 'T', 'text/plain', 'x', '', 'ready' FROM generate_series(0, 4999) n",
        "INSERT INTO ai_kb_documents (id, source_id, scope, title, content, position, char_start, char_end, tokens, embedding)
         SELECT md5('d' || n)::uuid, md5((n / 4)::text)::uuid, CASE WHEN n % 1000 = 0 THEN 'rare' ELSE 'global' END,
                'T', 'passage ' || n, n % 4, 0, 1, 1,
                (SELECT array_agg(random() - 0.5) FROM generate_series(1, 384) WHERE n >= 0)::vector
           FROM generate_series(0, 19999) n",
        "SET LOCAL maintenance_work_mem = '256MB'",
        &index,
    ] {
        transaction.execute_unprepared(sql).await.unwrap();
    }
    transaction.commit().await.unwrap();
    ai.execute_unprepared("ANALYZE ai_kb_documents").await.unwrap();
}

fn question() -> Vec<f32> {
    (0_u16..384).map(|n| f32::from(n % 7) - 3.0).collect()
}

fn literal() -> String {
    serde_json::to_string(&question()).unwrap()
}

#[tokio::test]
async fn a_rare_scope_has_a_full_page_and_the_index_serves_the_rest() {
    let app = TestApp::start().await;
    let user = app.user().await;
    filled(&app).await;
    rare_scope(&app, &user).await;
    by_source(&user).await;
    plan(&app).await;
    whole_set(&app, &user).await;
    shrunk(&app, &user).await;
}

async fn rare_scope(app: &TestApp, user: &crate::support::user::TestUser) {
    let search = |limit: u64| json!({"embedding": question(), "scopes": ["rare"], "limit": limit});
    let result = user.post("/knowledge/search", search(10)).await.expect(200);
    assert_eq!(hits(&result).len(), 10);
    assert_eq!(result["under_filled"], false);
    // They are the exact ones, with the exact cosine.
    let sql = format!(
        "SELECT content, 1 - (embedding <=> '{}') AS similarity FROM ai_kb_documents
                        WHERE scope = 'rare' ORDER BY 2 DESC LIMIT 10",
        literal()
    );
    let rows = app.ai().query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    for (row, hit) in rows.iter().zip(hits(&result)) {
        assert_eq!(hit["content"], row.try_get::<String>("", "content").unwrap());
        let exact: f64 = row.try_get("", "similarity").unwrap();
        assert!((hit["similarity"].as_f64().unwrap() - exact).abs() < 1e-6);
    }
    let all = user.post("/knowledge/search", search(50)).await.expect(200);
    assert_eq!(hits(&all).len(), 20);
    assert_eq!(all["under_filled"], true, "there are no more than 20");
}

async fn by_source(user: &crate::support::user::TestUser) {
    let body = json!({"embedding": question(), "limit": 200, "group_by": "source"});
    let result = user.post("/knowledge/search", body).await.expect(200);
    let mut sources: Vec<&str> = hits(&result).iter().map(|hit| hit["source_id"].as_str().unwrap()).collect();
    sources.sort_unstable();
    sources.dedup();
    assert_eq!(sources.len(), 200);
    assert_eq!(result["under_filled"], false);
    let similarities: Vec<f64> =
        hits(&result).iter().map(|hit| hit["similarity"].as_f64().unwrap()).collect();
    assert!(similarities.is_sorted_by(|a, b| a >= b));
}

async fn plan(app: &TestApp) {
    let audience = Audience::of(UserId(Uuid::now_v7()), TenantId(Uuid::now_v7()));
    let search = Nearest {
        table: "ai_kb_documents",
        columns: &["id"],
        filter: audience.condition(),
        by_index: None,
        vector: question(),
        related: &[],
        limit: 10,
        exact_below: 5000,
        large: &app.state.large_filters,
        is_compressed: false,
    };
    let ai = app.state.ai.begin_for(&audience.reach()).await.unwrap();
    let plan = vector::explain(&ai, &search).await.unwrap();
    assert!(plan.contains(INDEX), "{plan}");
}

async fn whole_set(app: &TestApp, user: &crate::support::user::TestUser) {
    let result =
        user.post("/knowledge/search", json!({"embedding": question(), "limit": 200})).await.expect(200);
    assert_eq!(hits(&result).len(), 200);
    let mut contents: Vec<&Value> = hits(&result).iter().map(|hit| &hit["content"]).collect();
    contents.sort_unstable_by_key(|content| content.as_str());
    contents.dedup();
    assert_eq!(contents.len(), 200, "nothing twice");
    assert_eq!(number(app, "SELECT count(*) FROM ai_kb_documents", []).await, 20_000);
}

/// What was known of a filter a moment ago may be wrong now; pages must not be.
async fn shrunk(app: &TestApp, user: &crate::support::user::TestUser) {
    let body = json!({"embedding": question(), "limit": 50});
    let before = user.post("/knowledge/search", body.clone()).await.expect(200);
    assert_eq!(hits(&before).len(), 50);
    app.ai().execute_unprepared("DELETE FROM ai_kb_documents WHERE scope <> 'rare'").await.unwrap();
    for _ in 0..2 {
        let after = user.post("/knowledge/search", body.clone()).await.expect(200);
        assert_eq!(hits(&after).len(), 20);
        assert_eq!(after["under_filled"], true);
    }
}
