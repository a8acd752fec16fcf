//! `tandem doctor` sees what is wrong and touches nothing.

use std::collections::BTreeMap;

use serde_json::Value;
use tandem::config::Env;

use super::{both, one};
use crate::process::{Serving, embedded_env, run, tandem};
use crate::support::postgres::{self, Layout, execute, texts};

/// Whether it exited well, and each check's status and text.
fn doctor(env: &Env) -> (bool, BTreeMap<String, (String, String)>) {
    let output = tandem(env, &["doctor", "--json"]).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&output.stderr)));
    let text = |check: &Value, field: &str| check[field].as_str().unwrap_or_default().to_owned();
    let checks = report["checks"].as_array().unwrap().iter();
    let checks = checks.map(|check| {
        let said = format!("{} {}", text(check, "detail"), text(check, "remedy"));
        (text(check, "name"), (text(check, "status"), said))
    });
    (output.status.success(), checks.collect())
}

#[track_caller]
fn healthy(env: &Env, checks_min: usize) -> BTreeMap<String, (String, String)> {
    let (fine, checks) = doctor(env);
    assert!(fine && checks.values().all(|(status, _)| status == "ok"), "{checks:#?}");
    assert!(checks.len() >= checks_min, "{checks:#?}");
    checks
}

#[tokio::test]
async fn a_healthy_deployment_passes_every_check_in_every_mode() {
    let urls = postgres::migrated(Layout::Dual).await;
    let checks = healthy(&urls.env(), 20);
    assert!(checks["ai.vector.available"].1.contains("pg_available_extensions"));
    assert!(checks["ai.vector.installed"].1.contains("vector 0.8"), "{checks:#?}");
    for (table, width) in [("ai_kb_documents", 64), ("ai_memories", 200)] {
        let (_, said) = &checks[&format!("ai.hnsw.{table}")];
        assert_eq!(said.trim(), format!("hnsw, vector_cosine_ops, m=16, ef_construction={width}"));
    }
    assert!(checks["core.migrations"].1.contains("applied"));
    assert!(checks["pair"].1.contains("Dual"));
    healthy(&postgres::migrated(Layout::Single).await.env(), 16);

    let folder = tempfile::tempdir().unwrap();
    let env = embedded_env(folder.path());
    let server = Serving::start(&env);
    let checks = healthy(&env, 22);
    assert!(checks["embedded.socket"].1.contains("private"), "{checks:#?}");
    server.stop();
    healthy(&env, 22);
}

#[tokio::test]
async fn what_somebody_broke_by_hand_fails_its_check_and_the_command() {
    let urls = postgres::migrated(Layout::Dual).await;
    let (core, ai) = (urls.core.as_str(), urls.ai.as_deref().unwrap());
    for (url, breakage, check, words) in [
        (core, "ALTER TABLE users DROP COLUMN full_name", "core.schema", "column users.full_name"),
        (ai, "DROP TABLE ai_feedback", "ai.schema", "table ai_feedback"),
        (ai, "ALTER TABLE ai_memories NO FORCE ROW LEVEL SECURITY", "ai.row_security", "ai_memories"),
        (
            ai,
            "DROP INDEX ix_ai_memories_embedding_hnsw; CREATE INDEX ix_ai_memories_embedding_hnsw ON ai_memories
             USING ivfflat (embedding vector_cosine_ops) WITH (lists = 1)",
            "ai.hnsw.ai_memories",
            "ivfflat",
        ),
        (
            ai,
            "DROP INDEX ix_ai_kb_documents_embedding_hnsw; CREATE INDEX ix_ai_kb_documents_embedding_hnsw
             ON ai_kb_documents USING hnsw (embedding vector_l2_ops)",
            "ai.hnsw.ai_kb_documents",
            "vector_l2_ops",
        ),
        (core, "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'ix_users_tenant'::regclass", "core.indexes", "REINDEX INDEX CONCURRENTLY ix_users_tenant"),
        (core, "DELETE FROM core_migrations WHERE version LIKE '%jobs'", "core.migrations", "tandem migrate core"),
        (ai, "UPDATE ai_embedding_spaces SET model = 'another'", "ai.space", "local/another/384"),
    ] {
        execute(url, breakage).await;
        let (fine, checks) = doctor(&urls.env());
        let (status, said) = &checks[check];
        assert!(!fine && status == "fail" && said.contains(words), "{breakage}: {status} {said}");
    }
}

#[tokio::test]
async fn a_wrong_partner_and_a_database_that_is_away_are_seen() {
    let urls = postgres::migrated(Layout::Dual).await;
    let strange = postgres::empty(Layout::Single).await.core;
    let (fine, checks) = doctor(&both(&urls.core, &strange));
    assert!(!fine && checks["pair"].0 == "fail" && checks["pair"].1.contains("tandem pair"), "{checks:#?}");
    assert_eq!(checks["ai.migrations"].0, "fail");
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace";
    assert_eq!(texts(&strange, tables).await, Vec::<String>::new(), "it made nothing");

    let nobody = "postgres://me:hidden@127.0.0.1:9/core";
    let (fine, checks) = doctor(&both(&urls.core, nobody));
    let (status, said) = &checks["ai.connection"];
    assert!(!fine && status == "fail" && said.contains("127.0.0.1:9/core"), "{checks:#?}");
    assert_eq!(checks["core.migrations"].0, "ok", "the other side is still looked at");
    assert!(!format!("{checks:?}").contains("hidden"));
    let (fine, checks) = doctor(&one(nobody));
    assert!(!fine && checks["core.connection"].0 == "fail", "{checks:#?}");
}

#[tokio::test]
async fn it_makes_no_cluster_for_the_sake_of_looking() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let (fine, checks) = doctor(&embedded_env(&data_dir));
    assert!(fine && checks["embedded.cluster"].0 == "warn", "{checks:#?}");
    assert!(!data_dir.exists());
}

#[tokio::test]
async fn both_chains_and_the_space_are_shown_by_migrate_status() {
    let urls = postgres::migrated(Layout::Dual).await;
    let said = run(&urls.env(), &["migrate", "--status"]);
    for line in ["core  applied", "ai    applied", "space active   local/pocket/384"] {
        assert!(said.contains(line), "{said}");
    }
}
