//! 8,000 passages of two users and everybody: pages are full, near and one's own with either engine,
//! and while the one replaces the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use tandem::auth::Audience;
use tandem::db::space::{Place, change_engine, parity};
use tandem::db::vector::{self, Nearest};
use uuid::Uuid;

use super::{INDEX, both, databases, env, extended, methods};
use crate::process::run;
use crate::support::TestApp;
use crate::support::user::TestUser;

const PASSAGES: usize = 8000;
const LENGTH: usize = 384;
/// Real texts' vectors lie near a space of far fewer dimensions than they have.
const INNER: usize = 32;
const LIMIT: usize = 10;

/// Numbers between -1 and 1 that look random and are the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        f32::from(u16::try_from(self.0 >> 48).unwrap()) / 32_768.0 - 1.0
    }

    fn some<const N: usize>(&mut self) -> [f32; N] {
        std::array::from_fn(|_| self.next())
    }
}

/// Vectors around 100 centres.
fn vectors() -> Vec<Vec<f32>> {
    let mut random = Random(7);
    let outward: Vec<[f32; LENGTH]> = (0..INNER).map(|_| random.some()).collect();
    let centres: Vec<[f32; INNER]> = (0..100).map(|_| random.some()).collect();
    let one = |number: usize| {
        let mut vector = [0.0; LENGTH];
        for (place, row) in outward.iter().enumerate() {
            let value = centres[number * 7919 % 100][place] + random.next() * 0.7;
            vector.iter_mut().zip(row).for_each(|(sum, part)| *sum += value * part);
        }
        vector.to_vec()
    };
    (0..PASSAGES).map(one).collect()
}

/// Three eighths of the passages are the one's, as many the other's, the rest everybody's.
async fn filled(app: &TestApp, users: [&TestUser; 2], vectors: &[Vec<f32>]) {
    let [one, other] = users.map(|user| user.id);
    let ai = app.ai();
    let owner = format!("CASE WHEN n % 8 < 3 THEN '{one}'::uuid WHEN n % 8 < 6 THEN '{other}'::uuid END");
    let sources = format!(
        "INSERT INTO ai_kb_sources (id, owner_id, external_id, scope, title, media_type, content, content_hash, status)
         SELECT md5('s' || n)::uuid, {owner}, 's' || n, 'x', 'T', 'text/plain', 'x', '', 'ready' FROM generate_series(0, 7) n"
    );
    ai.execute_unprepared(&sources).await.unwrap();
    for (batch, vectors) in vectors.chunks(500).enumerate() {
        let vectors: Vec<String> =
            vectors.iter().map(|vector| serde_json::to_string(vector).unwrap()).collect();
        let sql = format!(
            "INSERT INTO ai_kb_documents
                 (id, source_id, owner_id, scope, title, content, position, char_start, char_end, tokens, metadata, embedding)
             SELECT md5('d' || n)::uuid, md5('s' || n % 8)::uuid, {owner}, 's' || n / 8 % 10, 'T', 'passage ' || n, n, 0, 1, 1,
                    jsonb_build_object('hundreds', n / 8 % 100), vector::vector
               FROM (SELECT $2 + place::int - 1 AS n, vector FROM unnest($1::text[]) WITH ORDINALITY AS v(vector, place)) AS rows"
        );
        let first = i32::try_from(batch * 500).unwrap();
        let values = [vectors.into(), first.into()];
        ai.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await.unwrap();
    }
    ai.execute_unprepared("ANALYZE ai_kb_documents").await.unwrap();
}

/// What a request asks for, and the same in SQL.
fn filters() -> [(Value, &'static str); 4] {
    [
        (json!({}), "true"),
        (json!({"scopes": ["s1", "s2", "s3"]}), "scope IN ('s1', 's2', 's3')"),
        (json!({"scopes": ["s7"]}), "scope = 's7'"),
        (json!({"filter": {"hundreds": 42}}), "metadata @> '{\"hundreds\": 42}'"),
    ]
}

async fn exact(app: &TestApp, user: &TestUser, sql: &str, vector: &[f32]) -> Vec<f64> {
    let vector = serde_json::to_string(vector).unwrap();
    let sql = format!(
        "SELECT 1 - (embedding <=> '{vector}') AS similarity FROM ai_kb_documents
          WHERE (owner_id IS NULL OR owner_id = '{}') AND {sql} ORDER BY (embedding <=> '{vector}') + 0.0 LIMIT {LIMIT}",
        user.id
    );
    let rows = app.ai().query_all_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get("", "similarity").unwrap()).collect()
}

/// The share of the true neighbours that a user finds, under every filter; pages are full
/// and hold nobody else's.
async fn recall(app: &TestApp, user: &TestUser, vectors: &[Vec<f32>]) -> f64 {
    let (mut found, mut wanted) = (0, 0);
    let own = app.at(user);
    for (mut body, sql) in filters() {
        body["limit"] = json!(LIMIT);
        for vector in vectors.iter().step_by(PASSAGES / 25) {
            let exact = exact(app, user, sql, vector).await;
            body["embedding"] = json!(vector);
            let page = own.post("/knowledge/search", body.clone()).await.expect(200);
            let hits = page["hits"].as_array().unwrap();
            assert_eq!(hits.len(), LIMIT, "{sql}");
            assert_eq!(page["under_filled"], false);
            let last = exact.last().unwrap() - 1e-6;
            let similarities: Vec<f64> = hits.iter().map(|hit| hit["similarity"].as_f64().unwrap()).collect();
            assert!(similarities.is_sorted_by(|a, b| a >= b), "{similarities:?}");
            found += similarities.iter().filter(|similarity| **similarity >= last).count();
            wanted += LIMIT;
            for hit in hits {
                let number: usize =
                    hit["content"].as_str().unwrap().strip_prefix("passage ").unwrap().parse().unwrap();
                assert!(!is_of_the_other(app, user, number).await, "{hit}");
            }
        }
    }
    f64::from(u32::try_from(found).unwrap()) / f64::from(u32::try_from(wanted).unwrap())
}

async fn is_of_the_other(app: &TestApp, user: &TestUser, number: usize) -> bool {
    // The owner follows from the number; which of the two it is, from any one row.
    let sql = format!("SELECT owner_id FROM ai_kb_sources WHERE external_id = 's{}'", number % 8);
    let row =
        app.ai().query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    let owner: Option<Uuid> = row.try_get("", "owner_id").unwrap();
    owner.is_some_and(|owner| owner != user.id)
}

/// The plan of a search under a filter that lets a tenth pass.
async fn plan(app: &TestApp, user: &TestUser, vector: &[f32]) -> String {
    let audience = Audience::of(user.id.into(), Uuid::nil().into());
    let search = Nearest {
        table: "ai_kb_documents",
        columns: &["id"],
        filter: audience.condition(),
        by_index: None,
        vector: vector.to_vec(),
        related: &[],
        limit: 10,
        exact_below: 100,
        large: &app.state.large_filters,
        is_compressed: app.state.engine.is_compressed(),
    };
    let ai = app.state.ai.begin_for(&audience.reach()).await.unwrap();
    vector::explain(&ai, &search).await.unwrap()
}

#[tokio::test]
async fn the_engine_changes_while_everybody_searches_and_pages_stay_full_near_and_ones_own() {
    let Some(server) = extended().await else { return };
    let urls = databases(&server).await;
    run(&env(&urls, "hnsw"), &["migrate"]);
    // Filters that let few pass go through the index too.
    let of = async |engine: &str| {
        let options = TestApp::with().over(urls.clone()).env("VECTOR_ENGINE", engine);
        options.env("TANDEM__KNOWLEDGE__EXACT_BELOW_ROWS", 20).start().await
    };
    let before = of("hnsw").await;
    let users = [before.user().await, before.user().await];
    let vectors = vectors();
    filled(&before, [&users[0], &users[1]], &vectors).await;
    run(&env(&urls, "hnsw"), &["migrate"]);

    // A start makes the extension; that is what `migrate` is here, on a database without the vectors' index.
    let (one, other) = (of("diskann").await, of("diskann").await);
    postgres_extension(&one).await;
    let is_done = Arc::new(AtomicBool::new(false));
    let searches = Arc::new(AtomicUsize::new(0));
    let searching: Vec<_> = [&before, &one]
        .into_iter()
        .map(|app| {
            let (user, vector) = (app.at(&users[0]), vectors[17].clone());
            let (is_done, searches) = (Arc::clone(&is_done), Arc::clone(&searches));
            tokio::spawn(async move {
                while !is_done.load(Ordering::Acquire) {
                    let page =
                        user.post("/knowledge/search", json!({"embedding": vector, "limit": 50})).await;
                    assert_eq!(page.expect(200)["hits"].as_array().unwrap().len(), 50);
                    searches.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    let changes = tokio::join!(
        change_engine(&one.state.ai, &one.state.settings),
        change_engine(&other.state.ai, &other.state.settings)
    );
    is_done.store(true, Ordering::Release);
    for task in searching {
        task.await.unwrap();
    }
    assert!(changes.0.unwrap() | changes.1.unwrap());
    assert!(searches.load(Ordering::Relaxed) > 10, "{searches:?}");
    assert_eq!(methods(&one).await, both("diskann"));
    assert!(!change_engine(&one.state.ai, &one.state.settings).await.unwrap(), "there is nothing left to do");

    // Who was configured otherwise sees what is searched now.
    before.state.engine.look(&before.state.ai).await.unwrap();
    for app in [&one, &before] {
        assert!(app.state.engine.is_compressed());
        assert!(plan(app, &users[0], &vectors[1]).await.contains(INDEX));
        for user in &users {
            let recall = recall(app, user, &vectors).await;
            assert!(recall >= 0.99, "{recall}");
        }
    }
    let found = parity::measure(&one.state.ai, Place::Active, 384, &one.state.settings).await.unwrap();
    assert!(found.iter().all(|found| found.recall >= 0.99), "{found:?}");

    // And back.
    assert!(change_engine(&before.state.ai, &before.state.settings).await.unwrap());
    before.state.engine.look(&before.state.ai).await.unwrap();
    assert_eq!((methods(&before).await, before.state.engine.is_compressed()), (both("hnsw").to_vec(), false));
    assert!(recall(&before, &users[1], &vectors).await >= 0.99);
}

async fn postgres_extension(app: &TestApp) {
    app.ai().execute_unprepared("CREATE EXTENSION vectorscale").await.unwrap();
}
