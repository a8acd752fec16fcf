//! The program changes engines by itself, and says what it uses.

use std::time::{Duration, Instant};

use super::{both, databases, env, extended, methods};
use crate::process::{Serving, run, tandem};
use crate::support::TestApp;
use crate::support::postgres::{execute, texts};

async fn until(app: &TestApp, wanted: &[String]) {
    let begun = Instant::now();
    while methods(app).await != wanted {
        assert!(begun.elapsed() < Duration::from_mins(1), "{:?}", methods(app).await);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_server_changes_to_the_configured_engine_and_back_and_the_doctor_says_so() {
    let Some(server) = extended().await else { return };
    let urls = databases(&server).await;
    run(&env(&urls, "hnsw"), &["migrate"]);
    let app = TestApp::with().over(urls.clone()).start().await;
    assert_eq!(methods(&app).await, both("hnsw"));

    // What a killed change left, over a column that is another one by now, is no successor.
    let left = "CREATE EXTENSION vectorscale; ALTER TABLE ai_memories ADD COLUMN other vector(384);
        CREATE INDEX ix_ai_memories_embedding_hnsw_new ON ai_memories USING diskann (other vector_cosine_ops)";
    execute(urls.ai.as_ref().unwrap(), left).await;
    let diskann = env(&urls, "diskann");
    let serving = Serving::start(&diskann);
    until(&app, &both("diskann")).await;
    serving.stop();
    let definition = "SELECT indexdef FROM pg_indexes WHERE indexname LIKE 'ix_ai_memories_embedding_hnsw%'";
    let definitions = texts(urls.ai.as_ref().unwrap(), definition).await;
    assert!(
        definitions.len() == 1 && definitions[0].ends_with("USING diskann (embedding)"),
        "{definitions:?}"
    );
    let doctor = tandem(&diskann, &["doctor", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.success(), "{said}");
    for words in [
        "diskann; the server offers hnsw (pgvector), diskann (pgvectorscale 0.9",
        "diskann, vector_cosine_ops",
        "pg_textsearch 1.0.0 is offered and not used",
    ] {
        assert!(said.contains(words), "{words:?} is not in: {said}");
    }
    // Configured otherwise, the doctor sees it, and the command does at once what a server does.
    let hnsw = env(&urls, "hnsw");
    let doctor = tandem(&hnsw, &["doctor", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(said.contains("diskann, vector_cosine_ops is searched; VECTOR_ENGINE is hnsw"), "{said}");
    run(&hnsw, &["migrate"]);
    assert_eq!(methods(&app).await, both("hnsw"));
}
