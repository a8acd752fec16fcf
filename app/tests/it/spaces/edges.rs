//! Long vectors, indexes that find too little, hosts with little memory, texts that are refused.

use serde_json::json;

use super::*;
use crate::process::run;
use crate::support::model::Script;
use crate::support::postgres::{self, Layout, execute, texts};

#[tokio::test]
async fn vectors_above_2000_dimensions_are_halves_everywhere() {
    let server = ModelServer::start().await;
    server.always_embeddings(Script::reply([""; 0]).dimensions(3072));
    let app = with(&server).start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    sources(&app, &user, 0..30).await;
    memories(&user, 0..30).await;
    let id = made_ready(&admin, json!({"provider": "openai", "model": "text-embedding-3-large"})).await;
    admin.post(&format!("{SPACES}/{id}/switch"), json!({})).await.expect(200);
    for table in ["ai_kb_documents", "ai_memories"] {
        assert_eq!(type_of(&app, table).await, "halfvec(3072)");
        let index = format!("SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_{table}_embedding_hnsw'");
        assert!(said(&app, &index).await.contains("hnsw (embedding halfvec_cosine_ops)"));
    }
    sources(&app, &user, 30..40).await;
    user.post("/memories", json!({"content": text(77)})).await.expect(201);
    for n in [3, 35] {
        let found = user.post("/knowledge/search", json!({"query": text(n)})).await.expect(200);
        assert_eq!(found["hits"][0]["external_id"], format!("s{n}"), "{found}");
        assert!(found["hits"][0]["similarity"].as_f64().unwrap() > 0.99, "{found}");
        assert_eq!(found["space"]["dimensions"], 3072);
    }
    let found = user.post("/memories/search", json!({"query": text(77), "limit": 1})).await.expect(200);
    assert_eq!(found["hits"][0]["content"], text(77));
    all_are_scripted(app.ai(), "embedding", 3072).await;
    // A vector of another length is refused with both numbers.
    for path in ["/knowledge/search", "/memories/search"] {
        let refused =
            user.post(path, json!({"embedding": vec![0.1; 384]})).await.expect_wrong_field("embedding");
        let words = refused["errors"][0]["message"].as_str().unwrap();
        assert!(words.contains("384") && words.contains("3072"), "{words}");
    }
    admin
        .post(SPACES, json!({"provider": "openai", "model": "x", "dimensions": 4001}))
        .await
        .expect_wrong_field("dimensions");
}

#[tokio::test]
async fn indexes_that_find_too_little_are_not_switched_to_until_they_find_enough() {
    let server = ModelServer::start().await;
    let narrow = |options: Options, width: u32| {
        options
            .env("TANDEM__KNOWLEDGE__HNSW_M", 4)
            .env("TANDEM__KNOWLEDGE__HNSW_EF_CONSTRUCTION", 8)
            .env("TANDEM__KNOWLEDGE__HNSW_EF_SEARCH", width)
    };
    let app = narrow(with(&server), 1).start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    sources(&app, &user, 0..600).await;
    let begun = admin.post(SPACES, wanted(LENGTH)).await.expect(202);
    let id = begun["space"]["id"].as_str().unwrap();
    let refused = until(&admin, id, "refused").await;
    let found = refused["recall"][0]["recall"].as_f64().unwrap();
    assert!(found < 0.99, "{refused}");
    let problem =
        admin.post(&format!("{SPACES}/{id}/switch"), json!({})).await.expect_problem(409, "recall_too_low");
    let words = problem["detail"].as_str().unwrap();
    assert!(words.contains("ai_kb_documents") && words.contains("knowledge.hnsw_ef_search"), "{words}");
    assert_eq!(type_of(&app, "ai_kb_documents").await, "vector(384)");

    // The remedy that it names.
    let wide = narrow(with(&server).over(app.urls.clone()), 1000).start().await;
    let admin = wide.at(&admin);
    admin.post(&format!("{SPACES}/{id}/switch"), json!({})).await.expect(200);
    assert_eq!(type_of(&app, "ai_kb_documents").await, format!("vector({LENGTH})"));
}

#[tokio::test]
async fn without_shared_memory_for_workers_an_index_is_built_without_them() {
    let server = ModelServer::start().await;
    let app = with(&server).start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    sources(&app, &user, 0..20).await;
    let short = "CREATE FUNCTION short() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
            IF current_setting('max_parallel_maintenance_workers')::int > 0 THEN
                RAISE EXCEPTION USING ERRCODE = '53100', MESSAGE = 'could not resize shared memory segment';
            END IF;
            IF current_setting('maintenance_work_mem') <> '256MB' THEN RAISE 'not as configured'; END IF;
        END $$;
        CREATE EVENT TRIGGER short ON ddl_command_start WHEN TAG IN ('CREATE INDEX') EXECUTE FUNCTION short()";
    execute(app.urls.ai.as_ref().unwrap(), short).await;
    let id = made_ready(&admin, wanted(LENGTH)).await;
    // What a killed build leaves is dropped and built again.
    let broken = "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_ai_kb_documents_embedding_next_hnsw'::regclass;
        UPDATE ai_embedding_spaces SET status = 'indexing' WHERE status = 'ready'";
    execute(app.urls.ai.as_ref().unwrap(), broken).await;
    tandem::spaces::resume(&app.state).await.unwrap();
    let space = until(&admin, &id, "ready").await;
    assert!(space["recall"][0]["recall"].as_f64().unwrap() > 0.98, "{space}");
    let valid = "SELECT indisvalid FROM pg_index WHERE indexrelid = 'ix_ai_kb_documents_embedding_next_hnsw'::regclass";
    assert_eq!(said(&app, valid).await, "true");
}

#[tokio::test]
async fn a_text_the_new_model_refuses_stops_the_change_and_is_named() {
    let server = ModelServer::start().await;
    let app = with(&server).env("TANDEM__MODELS__RETRIES", 0).start().await;
    let (user, admin) = (app.user().await, app.admin().await);
    memories(&user, 0..5).await;
    // The estimate's sample is taken; then vectors of another length come.
    server.push_embeddings(Script::reply([""; 0]));
    server.always_embeddings(Script::reply([""; 0]).dimensions(7));
    let begun = admin.post(SPACES, wanted(LENGTH)).await.expect(202);
    let id = begun["space"]["id"].as_str().unwrap();
    let begun = Instant::now();
    let error = loop {
        let spaces = admin.get(SPACES).await.expect(200);
        let space =
            spaces["items"].as_array().unwrap().iter().find(|space| space["id"] == id).unwrap().clone();
        if let Some(error) = space["error"].as_str() {
            break error.to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{space}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(error.contains("ai_memories") && error.contains("length 7, expected 48"), "{error}");
    admin.post(&format!("{SPACES}/{id}/switch"), json!({})).await.expect_problem(409, "space_not_ready");
    server.always_embeddings(Script::reply([""; 0]));
    // Others wait until this one is out of the way.
    admin.post(SPACES, wanted(50)).await.expect_problem(409, "change_under_way");
    tandem::spaces::resume(&app.state).await.unwrap();
    until(&admin, id, "ready").await;
    all_are_scripted(app.ai(), "embedding_next", LENGTH).await;
}

#[tokio::test]
async fn an_index_of_another_kind_is_replaced_and_no_row_is_lost() {
    let urls = postgres::migrated(Layout::Dual).await;
    let ai = urls.ai.clone().unwrap();
    let app = TestApp::with().over(urls.clone()).start().await;
    memories(&app.user().await, 0..50).await;
    let rows = texts(&ai, "SELECT id || embedding::text FROM ai_memories ORDER BY id").await;
    let kind = "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_ai_memories_embedding_hnsw'";
    for other in ["ivfflat (embedding vector_cosine_ops) WITH (lists = 5)", "hnsw (embedding vector_l2_ops)"]
    {
        let sql = format!(
            "DROP INDEX ix_ai_memories_embedding_hnsw; CREATE INDEX ix_ai_memories_embedding_hnsw ON ai_memories USING {other}"
        );
        execute(&ai, &sql).await;
        run(&urls.env(), &["migrate", "ai"]);
        assert!(texts(&ai, kind).await[0].contains("hnsw (embedding vector_cosine_ops)"));
        run(&urls.env(), &["doctor"]);
    }
    // Or silently dropped by somebody's schema tool.
    execute(&ai, "DROP INDEX ix_ai_memories_embedding_hnsw").await;
    run(&urls.env(), &["migrate", "ai"]);
    assert_eq!(texts(&ai, kind).await.len(), 1);
    assert_eq!(texts(&ai, "SELECT id || embedding::text FROM ai_memories ORDER BY id").await, rows);
}

#[tokio::test]
async fn rows_without_vectors_get_them_and_recall_is_reported_by_class() {
    let urls = postgres::migrated(Layout::Dual).await;
    let ai = urls.ai.clone().unwrap();
    let app = TestApp::with().over(urls.clone()).start().await;
    let user = app.user().await;
    sources(&app, &user, 0..40).await;
    memories(&user, 0..10).await;
    let before = texts(&ai, "SELECT id || embedding::text FROM ai_kb_documents ORDER BY id").await;
    execute(&ai, "UPDATE ai_kb_documents SET embedding = NULL; UPDATE ai_memories SET embedding = NULL")
        .await;
    let shown: Value = serde_json::from_str(&run(&urls.env(), &["reembed", "missing", "--json"])).unwrap();
    assert_eq!((&shown["spaces"][0]["rows"], &shown["spaces"][0]["missing"]), (&json!(50), &json!(0)));
    assert_eq!(texts(&ai, "SELECT id || embedding::text FROM ai_kb_documents ORDER BY id").await, before);
    all_are_local(&app).await;

    execute(
        &ai,
        "UPDATE ai_kb_documents SET scope = 'rare' WHERE id IN (SELECT id FROM ai_kb_documents LIMIT 4)",
    )
    .await;
    let report: Value = serde_json::from_str(&run(&urls.env(), &["doctor", "recall", "--json"])).unwrap();
    assert_eq!(report["space"], "local/pocket/384");
    let classes = report["classes"].as_array().unwrap();
    let of = |class: &str| {
        classes.iter().find(|found| found["table"] == "ai_kb_documents" && found["class"] == class).unwrap()
    };
    assert!(of("unfiltered")["recall"].as_f64().unwrap() >= 0.99, "{report}");
    assert_eq!((&of("10 %")["samples"], &of("10 %")["recall"]), (&json!(4), &json!(1.0)), "{report}");
    assert_eq!((&of("0.1 %")["samples"], &of("0.1 %")["recall"]), (&json!(0), &Value::Null), "{report}");
}

#[tokio::test]
async fn a_recall_below_the_bar_fails_the_command() {
    let urls = postgres::migrated(Layout::Dual).await;
    let app = TestApp::with().over(urls.clone()).start().await;
    sources(&app, &app.user().await, 0..400).await;
    let ai = urls.ai.clone().unwrap();
    let poor = "DROP INDEX ix_ai_kb_documents_embedding_hnsw; CREATE INDEX ix_ai_kb_documents_embedding_hnsw
        ON ai_kb_documents USING hnsw (embedding vector_cosine_ops) WITH (m = 2, ef_construction = 4)";
    execute(&ai, poor).await;
    let mut env = urls.env();
    env.insert("TANDEM__KNOWLEDGE__EXACT_BELOW_ROWS".to_owned(), "0".to_owned());
    env.insert("TANDEM__KNOWLEDGE__HNSW_EF_SEARCH".to_owned(), "1".to_owned());
    execute(
        &ai,
        "ANALYZE ai_kb_documents; ALTER DATABASE CURRENT_DATABASE_NAME SET enable_seqscan = off"
            .replace("CURRENT_DATABASE_NAME", &postgres::name_of(&ai))
            .as_str(),
    )
    .await;
    let said = crate::process::run_failing(&env, &["doctor", "recall"]);
    assert!(said.contains("ai_kb_documents (unfiltered) is below 0.99"), "{said}");
}
