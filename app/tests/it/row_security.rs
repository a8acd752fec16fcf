//! Row-level security in ai, with the owner filters out of the way.

use entity::ids::{TenantId, UserId};
use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use sea_orm::{ConnectionTrait, DbBackend, Statement, TryGetable};
use serde_json::json;
use tandem::auth::Audience;
use tandem::db::{AiTx, Databases, Purpose, Reach};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::files::Form;
use crate::support::postgres::{self, Layout};
use crate::support::user::TestUser;

/// Tables with users' rows, and the column that says whose.
const TABLES: [(&str, &str); 5] = [
    ("ai_kb_sources", "audience"),
    ("ai_kb_documents", "audience"),
    ("ai_kb_files", "audience"),
    ("ai_memories", "audience"),
    ("ai_feedback", "user_id"),
];

async fn value<T: TryGetable>(connection: &impl ConnectionTrait, sql: &str) -> T {
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    connection.query_one_raw(statement).await.unwrap().unwrap().try_get_by_index(0).unwrap()
}

/// A source with passages, a memory, a vote, and a file that waits.
async fn fill(app: &TestApp, user: &TestUser) {
    let source = json!({"title": "Mine", "text": "Market beta measures how a share moves with the market."});
    user.post("/knowledge/sources", source).await.expect(202);
    user.post("/memories", json!({"content": "I like bonds"})).await.expect(201);
    app.run_jobs().await;
    let conversation = user.conversation().await;
    let answer = user.ask(&conversation, "What does beta measure?").await.expect(200);
    let message = answer["assistant_message_id"].as_str().unwrap().to_owned();
    user.put(&format!("/chat/messages/{message}/feedback"), json!({"rating": "up"})).await.expect(200);
    Form::file("a.txt", b"Whales sing.").send(user).await.expect(202);
}

async fn acting_for(app: &TestApp, user: &TestUser) -> AiTx {
    app.state.ai.begin_for(&Reach::default().and_writing([user.id])).await.unwrap()
}

async fn counts(ai: &AiTx) -> Vec<i64> {
    let mut counts = Vec::new();
    for (table, _) in TABLES {
        counts.push(value(ai, &format!("SELECT count(*) FROM {table}")).await);
    }
    counts
}

#[tokio::test]
async fn without_any_owner_filter_nothing_foreign_is_seen_or_changed() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.user().await, app.user().await);
    fill(&app, &ann).await;
    fill(&app, &bob).await;
    // The first one was parsed when the jobs ran for the other user.
    Form::file("b.txt", b"Whales sing.").send(&ann).await.expect(202);
    for (table, owner) in TABLES {
        let ai = acting_for(&app, &ann).await;
        let seen: i64 = value(&ai, &format!("SELECT count(*) FROM {table}")).await;
        let foreign: i64 =
            value(&ai, &format!("SELECT count(*) FROM {table} WHERE {owner} <> '{}'", ann.id)).await;
        assert_eq!((seen > 0, foreign), (true, 0), "{table}");
        for sql in [
            format!("UPDATE {table} SET created_at = now() WHERE {owner} = '{}'", bob.id),
            format!("DELETE FROM {table} WHERE {owner} = '{}'", bob.id),
        ] {
            assert_eq!(ai.execute_unprepared(&sql).await.unwrap().rows_affected(), 0, "{sql}");
        }
        let all: i64 = value(app.ai(), &format!("SELECT count(*) FROM {table}")).await;
        assert!(all > seen, "{table} holds the other's rows too");
    }
}

#[tokio::test]
async fn nobody_writes_for_another() {
    let app = TestApp::start().await;
    let (ann, bob) = (app.user().await, app.user().await);
    fill(&app, &ann).await;
    let insert = |owner: Uuid| {
        format!(
            "INSERT INTO ai_memories (id, owner_id, scope, content, content_hash, origin)
             VALUES (gen_random_uuid(), '{owner}', 'user', 'x', '', 'user')"
        )
    };
    acting_for(&app, &ann).await.execute_unprepared(&insert(ann.id)).await.unwrap();
    let refused = acting_for(&app, &ann).await.execute_unprepared(&insert(bob.id)).await.unwrap_err();
    assert!(refused.to_string().contains("row-level security"), "{refused}");
    let give_away = format!("UPDATE ai_memories SET owner_id = '{}'", bob.id);
    let refused = acting_for(&app, &ann).await.execute_unprepared(&give_away).await.unwrap_err();
    assert!(refused.to_string().contains("row-level security"), "{refused}");
    // Reading is not writing.
    let reader = Reach::reading([ann.id]);
    let ai = app.state.ai.begin_for(&reader).await.unwrap();
    assert_eq!(ai.execute_unprepared("DELETE FROM ai_memories").await.unwrap().rows_affected(), 0);
}

#[tokio::test]
async fn without_an_identity_there_is_nothing() {
    let app = TestApp::start().await;
    let user = app.user().await;
    fill(&app, &user).await;
    let ai = app.state.ai.begin_for(&Reach::default()).await.unwrap();
    assert_eq!(counts(&ai).await, [0; TABLES.len()]);
    drop(ai);
    // An identity ends with its transaction, whatever connection comes next.
    for _ in 0..20 {
        let ai = acting_for(&app, &user).await;
        assert!(counts(&ai).await.iter().all(|count| *count > 0));
        ai.commit().await.unwrap();
        let ai = app.state.ai.begin_for(&Reach::default()).await.unwrap();
        assert_eq!(counts(&ai).await, [0; TABLES.len()]);
    }
    let worker = app.state.ai.begin_worker().await.unwrap();
    assert!(counts(&worker).await.iter().all(|count| *count > 0));
}

#[tokio::test]
async fn a_login_that_bypasses_security_steps_down() {
    let app = TestApp::start().await;
    let bypasses = "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user";
    let user = app.state.ai.begin_for(&Reach::default()).await.unwrap();
    assert!(!value::<bool>(&user, bypasses).await);
    let worker = app.state.ai.begin_worker().await.unwrap();
    assert!(!value::<bool>(&worker, bypasses).await);
    if value::<bool>(app.ai(), bypasses).await {
        assert_eq!(value::<String>(&user, "SELECT current_user::text").await, "tandem_rls_user");
        assert_eq!(value::<String>(&worker, "SELECT current_user::text").await, "tandem_rls_worker");
    }
}

#[tokio::test]
async fn every_table_with_users_rows_is_secured() {
    let app = TestApp::start().await;
    let open = "SELECT coalesce(string_agg(DISTINCT c.relname::text, ', '), '') FROM pg_class c
                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname IN ('owner_id', 'user_id', 'audience')
                 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
                   AND NOT (c.relrowsecurity AND c.relforcerowsecurity)";
    assert_eq!(value::<String>(app.ai(), open).await, "");
    let secured =
        "SELECT count(*) FROM pg_class WHERE relforcerowsecurity AND relnamespace = 'public'::regnamespace";
    assert!(value::<i64>(app.ai(), secured).await >= 4);
}

/// The usual self-hoster: a login that owns its database and nothing else.
#[tokio::test]
async fn an_ordinary_login_is_enough() {
    let urls = postgres::empty(Layout::Single).await;
    let name = format!("plain_{}", Uuid::now_v7().simple());
    let options: PgConnectOptions = urls.core.parse().unwrap();
    let database = options.get_database().unwrap().to_owned();
    let mut admin: PgConnection = options.connect().await.unwrap();
    for sql in [
        format!("CREATE ROLE {name} LOGIN PASSWORD 'only-for-this-test'"),
        format!("ALTER DATABASE \"{database}\" OWNER TO {name}"),
        "CREATE EXTENSION IF NOT EXISTS vector".to_owned(),
        format!("GRANT ALL ON SCHEMA public TO {name}"),
    ] {
        admin.execute(AssertSqlSafe(sql)).await.unwrap();
    }
    let mut env = postgres::base_env();
    env.insert("DATABASE_URL".to_owned(), postgres::with_login(&urls.core, &name, "only-for-this-test"));
    let settings = tandem::config::Settings::load(&env).unwrap();
    let databases = Databases::open(&settings, Purpose::Command).await.unwrap();
    let models =
        tandem::llm::LanguageModels::from_settings(&settings.models, &settings.embedded.cache_dir).unwrap();
    tandem::server::prepare(&databases, &models, &settings).await.unwrap();

    let (mine, theirs) = (Uuid::now_v7(), Uuid::now_v7());
    for owner in [mine, theirs] {
        let ai = databases.ai.begin_for(&Reach::default().and_writing([owner])).await.unwrap();
        let sql = format!(
            "INSERT INTO ai_memories (id, owner_id, scope, content, content_hash, origin)
             VALUES (gen_random_uuid(), '{owner}', 'user', 'x', '', 'user')"
        );
        ai.execute_unprepared(&sql).await.unwrap();
        ai.commit().await.unwrap();
    }
    let count = "SELECT count(*) FROM ai_memories";
    let audience = Audience::of(UserId(mine), TenantId(Uuid::now_v7()));
    let ai = databases.ai.begin_for(&audience.reach()).await.unwrap();
    assert_eq!(value::<String>(&ai, "SELECT current_user::text").await, name);
    assert_eq!(value::<i64>(&ai, count).await, 1);
    assert_eq!(value::<i64>(&databases.ai.begin_worker().await.unwrap(), count).await, 2);
}
