//! What cannot be, is said before anything is done.

use serde_json::json;

use crate::process::{run_failing, tandem};
use crate::support::TestApp;
use crate::support::model::ModelServer;
use crate::support::postgres::{self, Layout};

#[tokio::test]
async fn an_engine_the_server_lacks_is_refused_with_its_setting_and_the_remedy() {
    let urls = postgres::migrated(Layout::Dual).await;
    let offered = "SELECT name::text FROM pg_available_extensions WHERE name = 'vectorscale'";
    if !postgres::texts(urls.ai.as_deref().unwrap(), offered).await.is_empty() {
        println!("skipped: this server has pgvectorscale");
        return;
    }
    let mut env = urls.env();
    env.insert("VECTOR_ENGINE".to_owned(), "diskann".to_owned());
    for arguments in [&["serve"][..], &["migrate"], &["serve", "--no-migrate"]] {
        let said = run_failing(&env, arguments);
        for word in
            ["VECTOR_ENGINE is diskann", "does not offer pgvectorscale", "remedy:", "VECTOR_ENGINE=hnsw"]
        {
            assert!(said.contains(word), "{arguments:?}: {word:?} is not in: {said}");
        }
    }
    let doctor = tandem(&env, &["doctor", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(!doctor.status.success() && said.contains("does not offer pgvectorscale"), "{said}");

    // Without the setting the same server is fine, and the doctor says what is used.
    let doctor = tandem(&urls.env(), &["doctor", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.success(), "{said}");
    assert!(said.contains("hnsw; the server offers hnsw (pgvector), no diskann (pgvectorscale)"), "{said}");
    assert!(said.contains("Tandem's own index"), "{said}");

    env.insert("VECTOR_ENGINE".to_owned(), "faiss".to_owned());
    let said = run_failing(&env, &["serve"]);
    assert!(said.contains("VECTOR_ENGINE") && said.contains("faiss") && said.contains("remedy:"), "{said}");
}

#[tokio::test]
async fn vectors_that_diskann_cannot_index_are_refused_before_they_are_made() {
    let server = ModelServer::start().await;
    let app =
        TestApp::with().env("OPENAI_BASE_URL", server.url()).env("VECTOR_ENGINE", "diskann").start().await;
    let wanted = json!({"provider": "openai", "model": "scripted", "dimensions": 2500});
    let refused = app.admin().await.post("/admin/embedding-spaces", wanted).await.expect(422).to_string();
    assert!(refused.contains("2500") && refused.contains("DiskANN"), "{refused}");
}
