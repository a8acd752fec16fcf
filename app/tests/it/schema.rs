//! The two schemas as they are in the database.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, Iterable, Statement};
use tandem::config::{Env, Settings};
use tandem::db::{AiConn, AiDb, AiTx, CoreConn, CoreDb, CoreTx, Databases, Purpose};

use crate::support::TestApp;
use crate::support::postgres::{self, Layout};

// The wrong database does not compile.
static_assertions::assert_impl_all!(CoreDb: CoreConn);
static_assertions::assert_impl_all!(AiTx: AiConn);
static_assertions::assert_not_impl_any!(CoreDb: AiConn);
static_assertions::assert_not_impl_any!(CoreTx: AiConn);
static_assertions::assert_not_impl_any!(AiDb: CoreConn);
static_assertions::assert_not_impl_any!(AiTx: CoreConn);

const CORE_TABLES: [&str; 55] = [
    "api_keys",
    "balance_sheets",
    "batch_job_schedules",
    "batch_jobs",
    "batch_run_history",
    "batch_run_logs",
    "batch_run_portfolios",
    "batch_run_tracking",
    "benchmarks_sector_weights",
    "cash_flows",
    "characters",
    "citations",
    "company_profiles",
    "conversation_summaries",
    "conversations",
    "corporate_actions",
    "equity_changes",
    "factor_definitions",
    "fund_holdings",
    "idempotency_keys",
    "income_statements",
    "invitations",
    "jobs",
    "knowledge_collection_readers",
    "knowledge_collections",
    "login_failures",
    "market_data_cache",
    "mcp_servers",
    "message_events",
    "messages",
    "outbox",
    "persona_identities",
    "personas",
    "portfolio_snapshots",
    "portfolio_target_prices",
    "portfolios",
    "position_realized_events",
    "position_tags",
    "position_valuations",
    "positions",
    "refresh_tokens",
    "responses",
    "settings",
    "stream_tickets",
    "stress_test_scenarios",
    "symbol_universe",
    "tags",
    "tenants",
    "tool_approvals",
    "trading_calendar",
    "usage_months",
    "usage_quotas",
    "usage_records",
    "usage_reservations",
    "users",
];
const AI_TABLES: [&str; 12] = [
    "ai_embedding_spaces",
    "ai_feedback",
    "ai_inbox",
    "ai_kb_documents",
    "ai_kb_files",
    "ai_kb_sources",
    "ai_kb_word_changes",
    "ai_kb_word_counts",
    "ai_kb_words",
    "ai_memories",
    "ai_quarantine",
    "ai_settings",
];

async fn strings(connection: &impl ConnectionTrait, sql: &str) -> BTreeSet<String> {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let rows = connection.query_all_raw(statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index::<String>(0).unwrap()).collect()
}

const TABLES: &str = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";

fn names(tables: &[&str], history: &[&str]) -> BTreeSet<String> {
    tables.iter().chain(history).map(|name| (*name).to_owned()).collect()
}

#[tokio::test]
async fn each_database_has_its_own_tables_and_history() {
    let app = TestApp::start().await;
    assert_eq!(strings(app.core(), TABLES).await, names(&CORE_TABLES, &["core_migrations"]));
    assert_eq!(strings(app.ai(), TABLES).await, names(&AI_TABLES, &["ai_migrations"]));
    let extensions = "SELECT extname::text FROM pg_extension";
    assert_eq!(strings(app.ai(), extensions).await, names(&["plpgsql", "vector"], &[]));
    assert_eq!(strings(app.core(), extensions).await, names(&["plpgsql"], &[]));
}

/// `tandem doctor` looks for drift in these, and a first migration knows them as its own.
#[test]
fn the_program_knows_every_table() {
    let listed = |tables: Vec<tandem::db::tables::Table>| {
        tables.into_iter().map(|table| table.name.to_owned()).collect::<BTreeSet<_>>()
    };
    assert_eq!(listed(tandem::db::tables::core()), names(&CORE_TABLES, &[]));
    assert_eq!(listed(tandem::db::tables::ai()), names(&AI_TABLES, &[]));
}

#[tokio::test]
async fn one_database_holds_both_with_separate_histories() {
    let app = TestApp::with().single().start().await;
    let both: Vec<&str> = CORE_TABLES.iter().chain(&AI_TABLES).copied().collect();
    assert_eq!(strings(app.core(), TABLES).await, names(&both, &["core_migrations", "ai_migrations"]));
}

#[tokio::test]
async fn no_foreign_key_leaves_the_ai_tables() {
    let app = TestApp::with().single().start().await;
    let crossing = strings(
        app.ai(),
        "SELECT conname::text FROM pg_constraint
          WHERE contype = 'f' AND (conrelid::regclass::text LIKE 'ai\\_%') <> (confrelid::regclass::text LIKE 'ai\\_%')",
    )
    .await;
    assert_eq!(crossing, BTreeSet::new());
}

#[tokio::test]
async fn every_constraint_has_a_name_of_ours() {
    let app = TestApp::with().single().start().await;
    let constraints = strings(
        app.core(),
        "SELECT conname::text FROM pg_constraint AS c JOIN pg_class AS t ON t.oid = c.conrelid
          WHERE t.relnamespace = 'public'::regnamespace AND c.contype <> 'n' AND t.relname NOT LIKE '%migrations'",
    )
    .await;
    let foreign: Vec<_> = constraints
        .iter()
        .filter(|name| !["pk_", "fk_", "uq_", "ck_"].iter().any(|start| name.starts_with(start)))
        .collect();
    assert!(constraints.len() > 30 && foreign.is_empty(), "{foreign:?}");
}

#[tokio::test]
async fn the_ai_indexes_are_there_and_hnsw_is_as_configured() {
    let app = TestApp::start().await;
    let indexes =
        strings(app.ai(), "SELECT indexdef::text FROM pg_indexes WHERE schemaname = 'public'").await;
    for name in [
        "ix_ai_kb_documents_scope",
        "ix_ai_kb_documents_created",
        "ix_ai_memories_scope",
        "ix_ai_memories_user_id",
        "ix_ai_memories_tenant_id",
        "ix_ai_feedback_message_id",
        "ix_ai_feedback_rating",
    ] {
        assert!(indexes.iter().any(|index| index.contains(&format!(" {name} "))), "{name} is missing");
    }
    for (name, width) in [("ix_ai_kb_documents_embedding_hnsw", 64), ("ix_ai_memories_embedding_hnsw", 200)] {
        let index = indexes.iter().find(|index| index.contains(name)).unwrap();
        assert!(index.contains("USING hnsw (embedding vector_cosine_ops)"), "{index}");
        assert!(index.contains("m='16'") && index.contains(&format!("ef_construction='{width}'")), "{index}");
    }
}

#[tokio::test]
async fn hnsw_parameters_and_dimensions_are_settings() {
    let mut env = postgres::base_env();
    env.extend(postgres::empty(Layout::Dual).await.env());
    env.extend(Env::from([
        ("TANDEM__KNOWLEDGE__HNSW_M".to_owned(), "8".to_owned()),
        ("EMBEDDING_PROVIDER".to_owned(), "openai".to_owned()),
        ("EMBEDDING_MODEL".to_owned(), "text-embedding-3-small".to_owned()),
        ("OPENAI_API_KEY".to_owned(), "not-used".to_owned()),
    ]));
    let settings = Settings::load(&env).unwrap();
    let databases = Databases::open(&settings, Purpose::Command).await.unwrap();
    let models =
        tandem::llm::LanguageModels::from_settings(&settings.models, &settings.embedded.cache_dir).unwrap();
    tandem::server::prepare(&databases, &models, &settings).await.unwrap();
    let column = "SELECT format_type(atttypid, atttypmod)::text FROM pg_attribute
                   WHERE attrelid = 'ai_memories'::regclass AND attname = 'embedding'";
    assert_eq!(
        strings(&databases.ai.begin_worker().await.unwrap(), column).await,
        names(&["vector(1536)"], &[])
    );
    let index = "SELECT indexdef::text FROM pg_indexes WHERE indexname = 'ix_ai_memories_embedding_hnsw'";
    let index = strings(&databases.ai.begin_worker().await.unwrap(), index).await;
    assert!(index.first().unwrap().contains("m='8'"), "{index:?}");
    // A second start is a no-op.
    tandem::server::prepare(&databases, &models, &settings).await.unwrap();
}

#[tokio::test]
async fn every_entity_matches_its_table() {
    async fn check<E: EntityTrait>(connection: &impl ConnectionTrait, _: E, generated: &[&str]) {
        use sea_orm::IdenStatic;
        let table = E::default().table_name().to_owned();
        let columns = strings(
            connection,
            &format!("SELECT column_name::text FROM information_schema.columns WHERE table_name = '{table}'"),
        )
        .await;
        let known = E::Column::iter().map(|column| column.as_str().to_owned());
        let known: BTreeSet<String> = known.chain(generated.iter().map(|name| (*name).to_owned())).collect();
        assert_eq!(columns, known, "{table}");
    }
    use entity::{ai, core};
    let app = TestApp::start().await;
    check(app.core(), core::tenant::Entity, &[]).await;
    check(app.core(), core::user::Entity, &[]).await;
    check(app.core(), core::refresh_token::Entity, &[]).await;
    check(app.core(), core::response::Entity, &[]).await;
    check(app.core(), core::setting::Entity, &[]).await;
    check(app.core(), core::stream_ticket::Entity, &[]).await;
    check(app.core(), core::tool_approval::Entity, &[]).await;
    check(app.core(), core::conversation::Entity, &[]).await;
    check(app.core(), core::conversation_summary::Entity, &[]).await;
    check(app.core(), core::mcp_server::Entity, &[]).await;
    check(app.core(), core::message::Entity, &["search"]).await;
    check(app.core(), core::message_event::Entity, &[]).await;
    check(app.core(), core::citation::Entity, &[]).await;
    check(app.core(), core::collection::Entity, &[]).await;
    check(app.core(), core::collection_reader::Entity, &[]).await;
    check(app.core(), core::job::Entity, &[]).await;
    check(app.core(), core::idempotency_key::Entity, &[]).await;
    check(app.core(), core::outbox::Entity, &[]).await;
    check(app.ai(), ai::inbox::Entity, &[]).await;
    check(app.ai(), ai::quarantine::Entity, &[]).await;
    check(app.core(), core::api_key::Entity, &[]).await;
    check(app.core(), core::invitation::Entity, &[]).await;
    check(app.core(), core::login_failure::Entity, &[]).await;
    check(app.core(), core::usage_month::Entity, &[]).await;
    check(app.core(), core::usage_quota::Entity, &[]).await;
    check(app.core(), core::usage_record::Entity, &[]).await;
    check(app.core(), core::usage_reservation::Entity, &[]).await;
    check(app.ai(), ai::embedding_space::Entity, &[]).await;
    check(app.ai(), ai::feedback::Entity, &[]).await;
    check(app.ai(), ai::kb_source::Entity, &["audience"]).await;
    check(app.ai(), ai::kb_document::Entity, &["audience"]).await;
    check(app.ai(), ai::kb_file::Entity, &[]).await;
    check(app.ai(), ai::memory::Entity, &["audience"]).await;
    check(app.ai(), ai::setting::Entity, &[]).await;
}

#[tokio::test]
async fn pools_are_bounded_tested_and_recycled_as_configured() {
    let mut env = postgres::base_env();
    env.retain(|name, _| !name.contains("POOL_MAX"));
    env.extend(postgres::migrated(Layout::Dual).await.env());
    let settings = Settings::load(&env).unwrap();
    let databases = Databases::open(&settings, Purpose::Command).await.unwrap();
    let (core, ai) = (databases.core.pool().options(), databases.ai.pool().options());
    assert_eq!((core.get_max_connections(), ai.get_max_connections()), (30, 15));
    assert_eq!((core.get_min_connections(), ai.get_min_connections()), (0, 0));
    assert_eq!((core.get_acquire_timeout().as_secs(), ai.get_acquire_timeout().as_secs()), (30, 60));
    assert_eq!(core.get_max_lifetime().unwrap().as_secs(), 1800);

    // A connection that died in the pool is found out before it is handed out.
    databases.core.ping().await.unwrap();
    let application = strings(&databases.core, "SELECT current_setting('application_name')").await;
    assert_eq!(application, names(&["tandem-core"], &[]));
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    let killer = Databases::open(&settings, Purpose::Command).await.unwrap();
    let kill = "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
                 WHERE application_name = 'tandem-core' AND pid <> pg_backend_pid() AND datname = current_database()";
    assert_eq!(strings(&killer.core, kill).await, names(&["true"], &[]));
    databases.core.ping().await.unwrap();
    strings(&databases.core, "SELECT 'still works'::text").await;
}

#[tokio::test]
async fn a_unit_of_work_that_fails_leaves_nothing() {
    let app = TestApp::start().await;
    let tx = app.core().begin().await.unwrap();
    tx.execute_unprepared("INSERT INTO settings (key, value) VALUES ('half', '1')").await.unwrap();
    tx.execute_unprepared("INSERT INTO settings (key, value) VALUES ('half', '2')").await.unwrap_err();
    drop(tx);
    let rows = strings(app.core(), "SELECT key FROM settings WHERE key = 'half'").await;
    assert_eq!(rows, BTreeSet::new());
}
