//! The index over words: its counts, its bounds, its upkeep.

use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use serde_json::{Value, json};
use tandem::knowledge::words;
use tandem::ranking::keys::Stored;
use uuid::Uuid;

use super::{all_ingested, found, hits, ingested, number};
use crate::support::TestApp;

/// Counts that are not what counting the rows gives.
const WRONG: &str = "
    WITH told AS (
        SELECT key, sum(passages) AS passages, sum(words) AS words
          FROM (SELECT key, passages, words FROM ai_kb_word_counts
                UNION ALL SELECT key, passages, words FROM ai_kb_word_changes) AS both_tables
         GROUP BY key HAVING sum(passages) <> 0 OR sum(words) <> 0),
    counted AS (
        SELECT key, count(*) AS passages, sum(octet_length(sequence) / 4) AS words
          FROM ai_kb_words, unnest(keys) AS key GROUP BY key)
    SELECT count(*) FROM told FULL JOIN counted USING (key)
     WHERE told.passages IS DISTINCT FROM counted.passages OR told.words IS DISTINCT FROM counted.words";

async fn count(app: &TestApp, sql: &str) -> i64 {
    number(app, sql, []).await
}

#[tokio::test]
async fn counts_are_exact_while_texts_come_and_go() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let text = |n: usize, round: usize| {
        json!({
            "title": "T", "external_id": n.to_string(), "text": format!("Bond number {n} of round {round} pays interest."),
        })
    };
    for round in 0..3 {
        let items: Vec<Value> = (0..40).map(|n| text(n, round)).collect();
        user.post("/knowledge/sources/batch", json!({ "items": items })).await.expect(202);
        let deleting = async {
            for n in (round..40).step_by(3) {
                let body = json!({"query": format!("bond number {n}"), "mode": "lexical", "limit": 1});
                let result = user.post("/knowledge/search", body).await.expect(200);
                if let Some(hit) = hits(&result).first() {
                    let id = hit["source_id"].as_str().unwrap();
                    user.delete(&format!("/knowledge/sources/{id}")).await;
                }
            }
        };
        let folding = async {
            for _ in 0..20 {
                words::fold_counts(&app.state).await.unwrap();
            }
        };
        tokio::join!(app.run_jobs(), deleting, folding);
        assert_eq!(count(&app, WRONG).await, 0, "round {round}");
    }
    while words::fold_counts(&app.state).await.unwrap() > 0 {}
    assert_eq!(count(&app, "SELECT count(*) FROM ai_kb_word_changes").await, 0);
    assert_eq!(count(&app, WRONG).await, 0);
    assert!(count(&app, "SELECT count(*) FROM ai_kb_word_counts").await > 0);
}

#[tokio::test]
async fn a_deleted_source_leaves_no_words_and_no_counts() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let id = ingested(&app, &user, json!({"title": "T", "text": "Whales sing in the sea."})).await;
    assert_eq!(count(&app, "SELECT count(*) FROM ai_kb_words").await, 1);
    user.delete(&format!("/knowledge/sources/{id}")).await.expect(204);
    while words::fold_counts(&app.state).await.unwrap() > 0 {}
    for table in ["ai_kb_words", "ai_kb_word_counts", "ai_kb_word_changes"] {
        assert_eq!(count(&app, &format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}

#[tokio::test]
async fn words_weigh_what_they_weigh_among_what_is_searched() {
    let app = TestApp::start().await;
    let (ann, ben) = (app.user().await, app.user().await);
    let idf = async |body: Value| {
        let result = ann.post("/knowledge/search", body).await.expect(200);
        result["explain"]["words"][0]["idf"].as_f64().unwrap()
    };
    let body = json!({"query": "gold", "mode": "lexical", "explain": true});
    let text = |scope: &str, text: &str| json!({"title": "T", "scope": scope, "text": text});
    ingested(&app, &ann, text("a", "Gold shines.")).await;
    ingested(&app, &ann, text("a", "Silver shines.")).await;
    let before = idf(body.clone()).await;
    // Whatever others store changes nothing.
    for n in 0..5 {
        ingested(&app, &ben, text("a", &format!("Gold bar {n}."))).await;
    }
    assert!((idf(body.clone()).await - before).abs() < 1e-12);
    // Two of two and one of two, in a scope and in all.
    ingested(&app, &ann, text("b", "Gold mines.")).await;
    ingested(&app, &ann, text("b", "Gold rush.")).await;
    let expected = |texts: f64, holding: f64| (1.0 + (texts - holding + 0.5) / (holding + 0.5)).ln();
    let mut scoped = body.clone();
    scoped["scopes"] = json!(["b"]);
    assert!((idf(scoped).await - expected(2.0, 2.0)).abs() < 1e-12);
    assert!((idf(body).await - expected(4.0, 3.0)).abs() < 1e-12);
}

#[tokio::test]
async fn passages_from_before_the_index_are_found_once_they_are_indexed() {
    let app = TestApp::start().await;
    let user = app.user().await;
    all_ingested(&app, &user, &[("gold", "Gold is a metal."), ("sea", "Whales live in the sea.")]).await;
    let rows = "SELECT string_agg(document_id || encode(sequence, 'hex') || encode(labels, 'hex') || keys::text, ' ' ORDER BY document_id) FROM ai_kb_words";
    let text = async |sql: &str| -> Option<String> {
        let statement = Statement::from_string(DbBackend::Postgres, sql);
        app.ai().query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
    };
    let before = text(rows).await;
    for sql in ["DELETE FROM ai_kb_words", "UPDATE ai_kb_words SET version = 0, sequence = ''"] {
        app.ai().execute_unprepared(sql).await.unwrap();
        let by_words = json!({"query": "whales", "mode": "lexical"});
        assert!(found(&user, by_words.clone()).await.is_empty());
        assert_eq!(
            found(&user, json!({"query": "whales"})).await.len(),
            2,
            "meaning finds them all the same"
        );
        while words::index_some(&app.state).await.unwrap() > 0 {}
        assert_eq!(found(&user, by_words).await, ["sea"]);
        assert_eq!(text(rows).await, before);
        assert_eq!(count(&app, WRONG).await, 0);
    }
}

/// 20,000 passages of everybody's that all have a word in common; one of a thousand has a rare one too.
async fn filled(app: &TestApp) {
    let audience = Uuid::nil();
    let stored = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let Stored { keys, sequence } = Stored::new(audience, &words);
        let sequence: String = sequence.iter().map(|byte| format!("{byte:02x}")).collect();
        let keys: Vec<String> = keys.iter().map(i64::to_string).collect();
        (keys.join(","), sequence)
    };
    let (common, rare) = (stored(&["market", "report"]), stored(&["market", "report", "zinc"]));
    let transaction = app.ai().begin().await.unwrap();
    for sql in [
        "INSERT INTO ai_kb_sources (id, external_id, scope, title, media_type, content, content_hash, status)
         SELECT md5(n::text)::uuid, 's' || n, 'global', 'T', 'text/plain', 'x', '', 'ready' FROM generate_series(0, 19999) n"
            .to_owned(),
        "INSERT INTO ai_kb_documents (id, source_id, scope, title, content, position, char_start, char_end, tokens, embedding)
         SELECT md5('d' || n)::uuid, md5(n::text)::uuid, CASE WHEN n % 100 = 0 THEN 'some' ELSE 'global' END,
                'T', 'passage ' || n, 0, 0, 1, 1, NULL
           FROM generate_series(0, 19999) n"
            .to_owned(),
        format!(
            "INSERT INTO ai_kb_words (document_id, keys, sequence, labels, version)
             SELECT md5('d' || n)::uuid,
                    CASE WHEN n % 1000 = 7 THEN '{{{}}}' ELSE '{{{}}}' END::bigint[],
                    CASE WHEN n % 1000 = 7 THEN '\\x{}' ELSE '\\x{}' END::bytea, '', {}
               FROM generate_series(0, 19999) n",
            rare.0, common.0, rare.1, common.1, tandem::ranking::words::VERSION
        ),
    ] {
        transaction.execute_unprepared(&sql).await.unwrap();
    }
    transaction.commit().await.unwrap();
    app.ai().execute_unprepared("ANALYZE ai_kb_words").await.unwrap();
}

#[tokio::test]
async fn common_words_cost_no_more_than_rare_ones() {
    let app = TestApp::start().await;
    let user = app.user().await;
    filled(&app).await;
    assert_eq!(count(&app, WRONG).await, 0);
    let ask = async |body: Value| user.post("/knowledge/search", body).await.expect(200);
    let lexical = |query: &str| json!({"query": query, "mode": "lexical", "limit": 50, "explain": true});
    // The rare word brings its passages, and they are first, though the others are everywhere.
    let result = ask(lexical("market report on zinc")).await;
    assert_eq!(result["explain"]["plan"], "index");
    let numbers: Vec<&str> = hits(&result).iter().map(|hit| hit["external_id"].as_str().unwrap()).collect();
    assert!(numbers.len() == 50 && numbers[..20].iter().all(|id| id.ends_with('7')), "{numbers:?}");
    let mut few = lexical("market report on zinc");
    few["limit"] = json!(10);
    assert_eq!(ask(few).await["explain"]["candidates"], 20, "the common words brought none");
    let idf: Vec<f64> = (0..3).map(|n| result["explain"]["words"][n]["idf"].as_f64().unwrap()).collect();
    let expected = (1.0_f64 + (20_000.0 - 20.0 + 0.5) / 20.5).ln();
    assert!((idf[2] - expected).abs() < 1e-12 && idf[0] < 0.001, "{idf:?}");
    // A common word alone brings some, a bounded number of them.
    let result = ask(lexical("market")).await;
    assert_eq!((hits(&result).len(), &result["explain"]["candidates"]), (50, &json!(1000)));
    // Within a small scope everything is looked at.
    let mut scoped = lexical("market");
    scoped["scopes"] = json!(["some"]);
    let result = ask(scoped).await;
    assert_eq!(
        (&result["explain"]["plan"], &result["explain"]["candidates"]),
        (&json!("exact"), &json!(200))
    );
}
