//! Larger engines behind the same searches, on a Postgres that has their extensions.

mod refused;
mod server;
mod whole;

use sea_orm::ConnectionTrait;
use tandem::config::{Env, Settings};
use tandem::db::embedded::Throwaway;

use crate::support::TestApp;
use crate::support::postgres::{self, Urls};

/// The index over passages, whatever its method.
const INDEX: &str = "ix_ai_kb_documents_embedding_hnsw";

/// A Postgres with pgvectorscale; none where `scripts/setup.sh engines` could not fetch it.
async fn extended() -> Option<Throwaway> {
    let folder = postgres::cache_dir().join("postgres-engines/pgserver/pginstall");
    if !folder.join("bin/postgres").is_file() {
        println!("skipped: no Postgres with pgvectorscale; scripts/setup.sh engines fetches it");
        return None;
    }
    let mut env = postgres::base_env();
    env.insert("POSTGRES_DIR".to_owned(), folder.canonicalize().unwrap().display().to_string());
    let settings = Settings::load(&env).unwrap();
    Some(Throwaway::start(&settings.embedded).await.expect("the Postgres with pgvectorscale"))
}

/// Empty databases on it.
async fn databases(server: &Throwaway) -> Urls {
    use sea_orm::sqlx::{ConnectOptions, Executor};
    let mut admin = server.connect_options("postgres").connect().await.unwrap();
    let url = |name: &str| server.connect_options(name).to_url_lossy().to_string();
    let (core, ai) =
        (format!("c{}", uuid::Uuid::now_v7().simple()), format!("a{}", uuid::Uuid::now_v7().simple()));
    for name in [&core, &ai] {
        let make = format!("CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8'");
        admin.execute(sea_orm::sqlx::AssertSqlSafe(make)).await.unwrap();
    }
    Urls { core: url(&core), ai: Some(url(&ai)) }
}

/// The environment of a process on these databases with an engine.
fn env(urls: &Urls, engine: &str) -> Env {
    let mut env = urls.env();
    env.insert("VECTOR_ENGINE".to_owned(), engine.to_owned());
    env
}

/// The methods of both vector indexes, of passages and of memories, and whether there is any other.
async fn methods(app: &TestApp) -> Vec<String> {
    let sql =
        "SELECT c.relname || ' ' || m.amname AS index FROM pg_class AS c JOIN pg_am AS m ON m.oid = c.relam
                WHERE m.amname IN ('hnsw', 'diskann') ORDER BY 1";
    let rows = app.ai().query_all_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql));
    rows.await.unwrap().iter().map(|row| row.try_get("", "index").unwrap()).collect()
}

fn both(method: &str) -> [String; 2] {
    [format!("{INDEX} {method}"), format!("ix_ai_memories_embedding_hnsw {method}")]
}
