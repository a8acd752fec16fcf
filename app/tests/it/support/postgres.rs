//! One Postgres a run, one database (or two) a test, copied from a migrated template.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sea_orm::sqlx::{AssertSqlSafe, ConnectOptions, Executor};
use sea_orm::{DatabaseConnection, SqlxPostgresConnector};
use tandem::config::{Env, Settings};
use tandem::db::embedded::Throwaway;
use tandem::db::{Databases, Purpose};
use tandem::llm::LanguageModels;
use tokio::sync::OnceCell;

static SERVER: OnceCell<Server> = OnceCell::const_new();
static COUNTER: AtomicU32 = AtomicU32::new(0);

/// The run's server: `TEST_DATABASE_URL`, or a throw-away one.
pub(crate) struct Server {
    /// Everything up to the database's name, and what follows it.
    url: Box<dyn Fn(&str) -> String + Send + Sync>,
    admin: PgConnectOptions,
    run: String,
    _throwaway: Option<Throwaway>,
}

/// Which databases a test gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    Dual,
    Single,
}

/// URLs of a test's own databases.
#[derive(Clone, Debug)]
pub(crate) struct Urls {
    pub(crate) core: String,
    pub(crate) ai: Option<String>,
}

impl Urls {
    /// The environment that makes Tandem use them.
    pub(crate) fn env(&self) -> Env {
        let mut env = Env::new();
        env.insert("DATABASE_URL".into(), self.core.clone());
        if let Some(ai) = &self.ai {
            env.insert("AI_DATABASE_URL".into(), ai.clone());
        }
        env
    }
}

/// Migrated databases of the test's own.
pub(crate) async fn migrated(layout: Layout) -> Urls {
    let server = server().await;
    match layout {
        Layout::Dual => Urls { core: server.copy("core").await, ai: Some(server.copy("ai").await) },
        Layout::Single => Urls { core: server.copy("single").await, ai: None },
    }
}

/// A small pool that is subject to no row security, whatever its login.
pub(crate) fn operator(url: &str) -> DatabaseConnection {
    let options: PgConnectOptions = url.parse().expect("a URL");
    let pool = PgPoolOptions::new()
        .max_connections(2)
        .connect_lazy_with(options.disable_statement_logging().options([("tandem.actor", "worker")]));
    SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
}

/// Ends all connections to a database and lets nobody in.
pub(crate) async fn shut(url: &str) {
    let name = name_of(url);
    let mut admin: PgConnection = server().await.admin.connect().await.expect("the test server");
    let shut = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false");
    admin.execute(AssertSqlSafe(shut)).await.expect("a database to shut");
    let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'");
    admin.execute(AssertSqlSafe(end)).await.expect("connections to end");
}

/// Lets everybody in again.
pub(crate) async fn open(url: &str) {
    let name = name_of(url);
    let mut admin: PgConnection = server().await.admin.connect().await.expect("the test server");
    let open = format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true");
    admin.execute(AssertSqlSafe(open)).await.expect("a database to open");
}

/// The same database under another login.
pub(crate) fn with_login(url: &str, user: &str, password: &str) -> String {
    let mut url = url::Url::parse(url).expect("a URL");
    url.set_username(user).expect("a URL that takes a login");
    url.set_password(Some(password)).expect("a URL that takes a login");
    url.to_string()
}

/// Empty databases of the test's own.
pub(crate) async fn empty(layout: Layout) -> Urls {
    let server = server().await;
    let ai = match layout {
        Layout::Dual => Some(server.create("template0").await),
        Layout::Single => None,
    };
    Urls { core: server.create("template0").await, ai }
}

/// A copy of a database as it is now: a backup. Nobody may be connected to it.
pub(crate) async fn copy_of(url: &str) -> String {
    let options: PgConnectOptions = url.parse().expect("a URL");
    let template = options.get_database().expect("a database").to_owned();
    let mut watch = server().await.admin.connect().await.expect("the test server");
    // Connections of a process that just ended need a moment to go.
    for _ in 0..200 {
        let others: i64 =
            sea_orm::sqlx::query_scalar("SELECT count(*) FROM pg_stat_activity WHERE datname = $1")
                .bind(&template)
                .fetch_one(&mut watch)
                .await
                .expect("the activity");
        if others == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    server().await.create(&template).await
}

/// Statements on a database, as its owner.
pub(crate) async fn execute(url: &str, sql: &str) {
    let options: PgConnectOptions = url.parse().expect("a URL");
    let mut connection = options.connect().await.expect("the database");
    connection.execute(AssertSqlSafe(sql.to_owned())).await.expect(sql);
    sea_orm::sqlx::Connection::close(connection).await.expect("closing");
}

/// The first column of every row, as text.
pub(crate) async fn texts(url: &str, sql: &str) -> Vec<String> {
    let options: PgConnectOptions = url.parse().expect("a URL");
    let mut connection = options.connect().await.expect("the database");
    let rows = sea_orm::sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_all(&mut connection).await;
    sea_orm::sqlx::Connection::close(connection).await.expect("closing");
    rows.expect(sql)
}

/// A database's name.
pub(crate) fn name_of(url: &str) -> String {
    let options: PgConnectOptions = url.parse().expect("a URL");
    options.get_database().expect("a database").to_owned()
}

/// Statements on the server's database `postgres`.
pub(crate) async fn execute_on_server(sql: &str) {
    let mut connection = server().await.admin.connect().await.expect("the test server");
    connection.execute(AssertSqlSafe(sql.to_owned())).await.expect(sql);
}

/// An empty database made in a way of its own.
pub(crate) async fn empty_with(options: &str) -> String {
    let server = server().await;
    let number = COUNTER.fetch_add(1, Ordering::Relaxed);
    let name = format!("t{number}_{}", server.run);
    execute_on_server(&format!("CREATE DATABASE {name} TEMPLATE template0 {options}")).await;
    (server.url)(&name)
}

/// Where `make setup` put things: `TANDEM_CACHE_DIR`, or the workspace's own cache.
pub(crate) fn cache_dir() -> PathBuf {
    std::env::var_os("TANDEM_CACHE_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../.cache"), PathBuf::from)
}

/// What every test's settings begin with.
pub(crate) fn base_env() -> Env {
    Env::from([
        ("EMBEDDING_MODEL".to_owned(), "pocket".to_owned()),
        ("TANDEM_CACHE_DIR".to_owned(), cache_dir().display().to_string()),
        ("REGISTRATION".to_owned(), "open".to_owned()),
        // This process is the tests', not the program.
        ("TANDEM__FILES__PARSER".to_owned(), env!("CARGO_BIN_EXE_tandem").to_owned()),
        // Many tests run at once on one server.
        ("TANDEM__DATABASE__CORE_POOL_MAX".to_owned(), "8".to_owned()),
        ("TANDEM__DATABASE__AI_POOL_MAX".to_owned(), "6".to_owned()),
    ])
}

async fn server() -> &'static Server {
    SERVER.get_or_init(Server::start).await
}

impl Server {
    async fn start() -> Self {
        let run = uuid::Uuid::now_v7().simple().to_string();
        let run = run[20..].to_owned();
        let server = match std::env::var("TEST_DATABASE_URL") {
            Ok(url) if !url.is_empty() => Self::given(&url, run),
            _ => Self::throwaway(run).await,
        };
        server.make_templates().await;
        server
    }

    fn given(url: &str, run: String) -> Self {
        let admin: PgConnectOptions = url.parse().expect("TEST_DATABASE_URL");
        let mut parsed = url::Url::parse(url).expect("TEST_DATABASE_URL");
        let url = move |database: &str| {
            parsed.set_path(database);
            parsed.to_string()
        };
        let url = std::sync::Mutex::new(url);
        Self { url: Box::new(move |database| (url.lock().unwrap())(database)), admin, run, _throwaway: None }
    }

    async fn throwaway(run: String) -> Self {
        let mut env = base_env();
        env.remove("DATABASE_URL");
        if let Some(dir) = std::env::var_os("POSTGRES_DIR") {
            env.insert("POSTGRES_DIR".into(), dir.to_string_lossy().into_owned());
        }
        let settings = Settings::load(&env).expect("settings");
        let server = Throwaway::start(&settings.embedded).await.expect("a throw-away Postgres");
        let admin = server.connect_options("postgres");
        let template = admin.clone();
        let url = move |database: &str| template.clone().database(database).to_url_lossy().to_string();
        Self { url: Box::new(url), admin, run, _throwaway: Some(server) }
    }

    async fn make_templates(&self) {
        let mut env = base_env();
        env.insert("DATABASE_URL".into(), self.named("tmpl_core", "template0").await);
        env.insert("AI_DATABASE_URL".into(), self.named("tmpl_ai", "template0").await);
        migrate(&env).await;
        env.insert("DATABASE_URL".into(), self.named("tmpl_single", "template0").await);
        env.remove("AI_DATABASE_URL");
        migrate(&env).await;
    }

    async fn copy(&self, kind: &str) -> String {
        self.create(&format!("tmpl_{kind}_{}", self.run)).await
    }

    async fn create(&self, template: &str) -> String {
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        self.named_from(&format!("t{number}_{}", self.run), template).await
    }

    async fn named(&self, name: &str, template: &str) -> String {
        self.named_from(&format!("{name}_{}", self.run), template).await
    }

    async fn named_from(&self, name: &str, template: &str) -> String {
        let mut connection: PgConnection = self.admin.connect().await.expect("the test server");
        let encoding = if template == "template0" { "ENCODING 'UTF8' LOCALE 'C.UTF-8'" } else { "" };
        let statement = format!("CREATE DATABASE {name} TEMPLATE {template} {encoding}");
        connection.execute(AssertSqlSafe(statement)).await.expect("a database for the test");
        (self.url)(name)
    }
}

async fn migrate(env: &Env) {
    let settings = Settings::load(env).expect("settings");
    let databases = Databases::open(&settings, Purpose::Command).await.expect("databases");
    let models =
        LanguageModels::from_settings(&settings.models, &settings.embedded.cache_dir).expect("models");
    tandem::server::prepare(&databases, &models, &settings).await.expect("migrations");
    databases.close().await.expect("closing");
}
