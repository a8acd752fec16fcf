//! Eight replicas start at once on empty databases.

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, query_scalar};
use sea_orm_migration::MigratorTrait;

use super::Serving;
use crate::support::postgres::{self, Layout, Urls};

const REPLICAS: usize = 8;
const CONNECTIONS_A_REPLICA_MAX: i64 = 6;

#[tokio::test(flavor = "multi_thread")]
async fn eight_at_once_on_two_databases() {
    start_together(Layout::Dual).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_at_once_on_one_database() {
    start_together(Layout::Single).await;
}

async fn start_together(layout: Layout) {
    let urls = postgres::empty(layout).await;
    let watched = urls.clone();
    let peak = tokio::spawn(async move { peak_of_connections(&watched).await });
    let env = urls.env();
    let starting: Vec<_> = (0..REPLICAS)
        .map(|_| {
            let env = env.clone();
            std::thread::spawn(move || Serving::start(&env))
        })
        .collect();
    let serving = tokio::task::spawn_blocking(move || {
        starting.into_iter().map(|replica| replica.join().unwrap()).collect::<Vec<_>>()
    })
    .await
    .unwrap();
    for replica in &serving {
        let ready = reqwest::get(format!("{}/health/ready", replica.base)).await.unwrap();
        assert_eq!(ready.status(), 200);
    }
    peak.abort();
    assert_history(&urls).await;
    drop(serving);

    let urls = postgres::empty(layout).await;
    let replica = {
        let (env, urls) = (urls.env(), urls.clone());
        let peak = tokio::spawn(async move { peak_of_connections(&urls).await });
        let replica = tokio::task::spawn_blocking(move || Serving::start(&env)).await.unwrap();
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        let peak = peak.await.unwrap();
        assert!((1..=CONNECTIONS_A_REPLICA_MAX).contains(&peak), "{peak} connections at start");
        replica
    };
    replica.stop();
}

/// Every step is in the history once, and the space and its indexes exist once.
async fn assert_history(urls: &Urls) {
    let core = &urls.core;
    let ai = urls.ai.as_ref().unwrap_or(core);
    let core_steps = i64::try_from(migration_core::Migrator::migrations().len()).unwrap();
    let ai_steps = i64::try_from(migration_ai::Migrator::migrations().len()).unwrap();
    assert_eq!(count(core, "SELECT count(*) FROM core_migrations").await, core_steps);
    assert_eq!(count(core, "SELECT count(DISTINCT version) FROM core_migrations").await, core_steps);
    assert_eq!(count(ai, "SELECT count(*) FROM ai_migrations").await, ai_steps);
    assert_eq!(count(ai, "SELECT count(DISTINCT version) FROM ai_migrations").await, ai_steps);
    assert_eq!(count(ai, "SELECT count(*) FROM ai_embedding_spaces").await, 1);
    assert_eq!(count(ai, "SELECT count(*) FROM pg_indexes WHERE indexdef LIKE '%USING hnsw%'").await, 2);
    assert_eq!(count(core, "SELECT count(*) FROM tenants").await, 1);
    // One pair, which all of them joined.
    let id = "SELECT value->>'id' FROM {} WHERE key = 'pair'";
    let of_core = postgres::texts(core, &id.replace("{}", "settings")).await;
    assert_eq!(of_core.len(), 1);
    assert_eq!(of_core, postgres::texts(ai, &id.replace("{}", "ai_settings")).await);
}

async fn connect(url: &str) -> PgConnection {
    let options: PgConnectOptions = url.parse().unwrap();
    options.connect().await.unwrap()
}

async fn count(url: &str, statement: &str) -> i64 {
    query_scalar(AssertSqlSafe(statement)).fetch_one(&mut connect(url).await).await.unwrap()
}

/// The most connections to these databases at once, besides our own, over three seconds.
async fn peak_of_connections(urls: &Urls) -> i64 {
    let mut connection = connect(&urls.core).await;
    let name = |url: &str| {
        let options: PgConnectOptions = url.parse().unwrap();
        options.get_database().unwrap().to_owned()
    };
    let names: Vec<String> = std::iter::once(&urls.core).chain(&urls.ai).map(|url| name(url)).collect();
    let mut peak = 0;
    for _ in 0..300 {
        let now: i64 = query_scalar(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = ANY($1) AND pid <> pg_backend_pid()",
        )
        .bind(&names)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        peak = peak.max(now);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    peak
}
