//! A thousand filters that let through anything from two passages to all of them.

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use serde_json::{Value, json};
use tandem::knowledge::words;
use uuid::Uuid;

use super::hits;
use crate::support::TestApp;
use crate::support::user::TestUser;

const INDEX: &str = "ix_ai_kb_documents_embedding_hnsw";
const PASSAGES: u64 = 20_000;
const FILTERS: u64 = 1000;

/// 5,000 sources of four passages each, shared with everybody, around 200 centres as real
/// texts are around topics.
async fn filled(app: &TestApp) {
    let ai = app.ai();
    let definition = "SELECT indexdef FROM pg_indexes WHERE indexname = $1";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, definition, [INDEX.into()]);
    let index: String = ai.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap();
    let transaction = ai.begin().await.unwrap();
    for sql in [
        &format!("DROP INDEX {INDEX}"),
        "SELECT setseed(0.42)",
        "CREATE TEMP TABLE centres ON COMMIT DROP AS
         SELECT centre, (SELECT array_agg(random() - 0.5) FROM generate_series(1, 384) WHERE centre >= 0) AS v FROM generate_series(0, 199) centre",
        "INSERT INTO ai_kb_sources (id, external_id, scope, title, media_type, content, content_hash, status)
         SELECT lpad(to_hex(n), 32, '0')::uuid, 's' || n, 'x', 'T', 'text/plain', 'x', '', 'ready' FROM generate_series(0, 4999) n",
        "INSERT INTO ai_kb_documents
             (id, source_id, scope, title, content, position, char_start, char_end, tokens, created_at, metadata, embedding)
         SELECT md5('d' || n)::uuid, lpad(to_hex(n / 4), 32, '0')::uuid, 's' || n % 70, 'T', 'passage ' || n, n % 4, 0, 1, 1,
                timestamptz '2020-01-01 00:00Z' + make_interval(mins => n),
                jsonb_build_object('tens', n % 10, 'hundreds', n % 100, 'thousands', n % 1000, 'rare', n % 10000, 'any', true,
                                   'tags', jsonb_build_array('t' || n % 3, 't' || n % 300), 'who', jsonb_build_object('name', 'n' || n % 40)),
                (SELECT array_agg(centres.v[i] + (random() - 0.5) * 0.8) FROM generate_series(1, 384) i)::vector
           FROM generate_series(0, 19999) n JOIN centres ON centre = n * 7919 % 200",
        "SET LOCAL maintenance_work_mem = '256MB'",
        &index,
    ] {
        transaction.execute_unprepared(sql).await.unwrap();
    }
    transaction.commit().await.unwrap();
    while words::index_some(&app.state).await.unwrap() > 0 {}
    for table in ["ai_kb_documents", "ai_kb_words"] {
        ai.execute_unprepared(&format!("ANALYZE {table}")).await.unwrap();
    }
}

/// Numbers that look random and are the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// A filter as a request has it, and as SQL.
fn filter(random: &mut Random) -> (Value, String) {
    let mut body = json!({});
    let mut sql = Vec::new();
    let mut metadata = json!({});
    match random.below(9) {
        0 => {}
        1 => metadata["any"] = json!(true),
        2 => metadata["tens"] = json!(random.below(10)),
        3 => metadata["hundreds"] = json!(random.below(100)),
        4 => metadata["thousands"] = json!(random.below(1000)),
        5 => metadata["rare"] = json!(random.below(10_000)),
        6 => metadata["tags"] = json!([format!("t{}", random.below(300))]),
        7 => metadata["who"] = json!({"name": format!("n{}", random.below(40))}),
        _ => metadata["tens"] = json!(10),
    }
    if metadata != json!({}) {
        sql.push(format!("metadata @> '{metadata}'"));
        body["filter"] = metadata;
    }
    match random.below(6) {
        0 => {
            let scopes: Vec<String> =
                (0..=random.below(30)).map(|_| format!("s{}", random.below(70))).collect();
            sql.push(format!("scope IN ('{}')", scopes.join("','")));
            body["scopes"] = json!(scopes);
        }
        1 => {
            let from = random.below(PASSAGES);
            let before = from + random.below(PASSAGES);
            let time = |minutes: u64| {
                let minutes = minutes.min(31 * 1440 - 1);
                format!(
                    "2020-01-{:02}T{:02}:{:02}:00Z",
                    1 + minutes / 1440,
                    minutes % 1440 / 60,
                    minutes % 60
                )
            };
            body["created_from"] = json!(time(from));
            body["created_before"] = json!(time(before));
            sql.push(format!("created_at >= '{}' AND created_at < '{}'", time(from), time(before)));
        }
        2 => {
            let ids: Vec<String> = (0..=random.below(5))
                .map(|_| Uuid::from_u128(u128::from(random.below(5000))).to_string())
                .collect();
            sql.push(format!("source_id IN ('{}')", ids.join("','")));
            body["source_ids"] = json!(ids);
        }
        _ => {}
    }
    let sql = if sql.is_empty() { "true".to_owned() } else { sql.join(" AND ") };
    (body, sql)
}

#[tokio::test]
async fn every_filter_has_a_full_page_of_the_nearest() {
    let app = TestApp::start().await;
    let user = app.user().await;
    filled(&app).await;
    let mut random = Random(1);
    let (mut found, mut expected) = (0, 0);
    let mut sizes = [0; 5];
    for _ in 0..FILTERS {
        let (body, sql) = filter(&mut random);
        let near = random.below(PASSAGES);
        let (exact, passing, vector) = exact(&app, &sql, near).await;
        let (hit, wanted) = asked(&user, body, vector, &exact, passing, &sql).await;
        found += hit;
        expected += wanted;
        sizes[match passing {
            0 => 0,
            1..=19 => 1,
            20..=199 => 2,
            200..=4999 => 3,
            _ => 4,
        }] += 1;
    }
    assert!(sizes.iter().all(|count| *count > 20), "filters of every size: {sizes:?}");
    let recall = f64::from(found) / f64::from(expected);
    assert!(recall >= 0.99, "{recall}");
}

/// The ten nearest to a passage by comparing all, how many pass, and the passage's vector.
async fn exact(app: &TestApp, sql: &str, near: u64) -> (Vec<String>, i64, Value) {
    let sql = format!(
        "WITH asked AS (SELECT embedding FROM ai_kb_documents WHERE id = md5('d{near}')::uuid),
              passing AS MATERIALIZED (SELECT id, embedding FROM ai_kb_documents WHERE {sql})
         SELECT (SELECT embedding::text FROM asked) AS vector, (SELECT count(*) FROM passing) AS passing,
                ARRAY (SELECT id::text FROM passing ORDER BY embedding <=> (SELECT embedding FROM asked), id LIMIT 10) AS ids"
    );
    let row =
        app.ai().query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap().unwrap();
    let vector: String = row.try_get("", "vector").unwrap();
    (
        row.try_get("", "ids").unwrap(),
        row.try_get("", "passing").unwrap(),
        serde_json::from_str(&vector).unwrap(),
    )
}

/// How many of the exact ones a search finds, of how many.
async fn asked(
    user: &TestUser,
    mut body: Value,
    vector: Value,
    exact: &[String],
    passing: i64,
    sql: &str,
) -> (u32, u32) {
    body["embedding"] = vector;
    let result = user.post("/knowledge/search", body).await.expect(200);
    assert_eq!(hits(&result).len(), exact.len(), "{sql}");
    assert_eq!(result["under_filled"], json!(passing < 10), "{sql}");
    let ids: Vec<&str> = hits(&result).iter().map(|hit| hit["document_id"].as_str().unwrap()).collect();
    let found = exact.iter().filter(|id| ids.contains(&id.as_str())).count();
    (u32::try_from(found).unwrap(), u32::try_from(exact.len()).unwrap())
}
