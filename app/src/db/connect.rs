//! From settings to two pools.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sea_orm::sqlx::{ConnectOptions, Connection, PgPool};

use super::embedded::{EmbeddedServer, Purpose};
use super::handle::{AiDb, CoreDb};
use super::pair::Pairing;
use super::{capacity, facts, session, url};
use crate::config::Settings;
use crate::error::Result;

/// A connection that waited longer than this in the pool is tested before it is handed out.
const TEST_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Where the two schemas live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Two databases of the embedded Postgres.
    Embedded,
    /// Two databases given by URL.
    Dual,
    /// One database for both schemas.
    Single,
}

/// Both databases of a process.
#[derive(Clone, Debug)]
pub struct Databases {
    /// Users, conversations, jobs.
    pub core: CoreDb,
    /// Knowledge, memories, feedback.
    pub ai: AiDb,
    /// Where they live.
    pub mode: Mode,
    embedded: Option<Arc<EmbeddedServer>>,
}

impl Databases {
    /// Opens both pools, starting the embedded Postgres when no URL is given.
    /// Connections are made when they are needed, so nobody was asked yet;
    /// nothing is migrated here.
    pub async fn open(settings: &Settings, purpose: Purpose) -> Result<Self> {
        let (core, ai, mode, embedded) = targets(settings, purpose).await?;
        let wait = Duration::from_millis(settings.database.ai_wait_ms);
        Ok(Self {
            core: CoreDb::new(core_pool(settings, core), wait),
            ai: AiDb::new(ai_pool(settings, ai), wait),
            mode,
            embedded,
        })
    }

    /// Fails early and clearly when core does not answer; the pool would only time out.
    pub async fn core_answers(&self) -> Result<()> {
        let core = self.core.pool();
        let asked = session::open(core).await;
        session::close(asked.map_err(|reason| session::unreachable("DATABASE_URL", core, &reason))?).await;
        Ok(())
    }

    /// Where the pools do not fit the servers, with what to do about it.
    pub async fn warn_of_tight_pools(&self, settings: &Settings, pairing: &mut Pairing) -> Result<()> {
        let (core, ai) = pairing.connections();
        let core = facts::read(core).await?;
        let ai = match ai {
            Some(ai) => Some(facts::read(ai).await?),
            None => None,
        };
        for (problem, remedy) in capacity::warnings(&settings.database, &core, ai.as_ref()) {
            tracing::warn!(problem, remedy, "the pools do not fit the server");
        }
        Ok(())
    }

    /// Until [`Databases::open_ai_again`] everybody is told that ai is away.
    pub fn close_ai_for_now(&self) {
        self.ai.close_for_now();
    }

    /// Ai may be used.
    pub fn open_ai_again(&self) {
        self.ai.open_again();
    }

    /// The embedded server, if this process uses it.
    pub fn embedded(&self) -> Option<&Arc<EmbeddedServer>> {
        self.embedded.as_ref()
    }

    /// Closes both pools and leaves the embedded server.
    pub async fn close(self) -> Result<()> {
        self.core.pool().close().await;
        self.ai.pool().close().await;
        let Self { core, ai, embedded, .. } = self;
        drop((core, ai));
        match embedded.and_then(Arc::into_inner) {
            Some(server) => server.close().await,
            None => Ok(()),
        }
    }
}

type Targets = (PgConnectOptions, PgConnectOptions, Mode, Option<Arc<EmbeddedServer>>);

async fn targets(settings: &Settings, purpose: Purpose) -> Result<Targets> {
    let database = &settings.database;
    match (&database.core_url, &database.ai_url) {
        (Some(core), Some(ai)) => {
            let core = url::parse("DATABASE_URL", core)?;
            let ai = url::parse("AI_DATABASE_URL", ai)?;
            Ok((core, ai, Mode::Dual, None))
        }
        (Some(core), None) => {
            let core = url::parse("DATABASE_URL", core)?;
            Ok((core.clone(), core, Mode::Single, None))
        }
        (None, _) => {
            let server = EmbeddedServer::open(&settings.embedded, purpose).await?;
            Ok((
                server.connect_options("core"),
                server.connect_options("ai"),
                Mode::Embedded,
                Some(Arc::new(server)),
            ))
        }
    }
}

fn core_pool(settings: &Settings, target: PgConnectOptions) -> PgPool {
    let database = &settings.database;
    pool_options(settings, database.core_pool_max, database.core_acquire_timeout_s)
        .connect_lazy_with(connect_options(settings, target, "tandem-core"))
}

fn ai_pool(settings: &Settings, target: PgConnectOptions) -> PgPool {
    let database = &settings.database;
    let target = connect_options(settings, target, "tandem-ai").options([
        // A filtered search goes on until its page is full. Results come
        // slightly out of order and are sorted by us.
        ("hnsw.iterative_scan", "relaxed_order".to_owned()),
        ("hnsw.ef_search", settings.knowledge.hnsw_ef_search.to_string()),
        ("diskann.query_search_list_size", settings.engines.diskann_search_list.to_string()),
        // A generic plan cannot know how selective an owner or a scope is.
        ("plan_cache_mode", "force_custom_plan".to_owned()),
    ]);
    pool_options(settings, database.ai_pool_max, database.ai_acquire_timeout_s).connect_lazy_with(target)
}

fn pool_options(settings: &Settings, max: u32, acquire_timeout_s: u64) -> PgPoolOptions {
    PgPoolOptions::new()
        .min_connections(0)
        .max_connections(max)
        .acquire_timeout(Duration::from_secs(acquire_timeout_s))
        .max_lifetime(Duration::from_secs(settings.database.max_lifetime_s))
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TEST_AFTER_IDLE {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
}

fn connect_options(settings: &Settings, target: PgConnectOptions, name: &str) -> PgConnectOptions {
    let timeout = settings.database.statement_timeout_ms.to_string();
    target.disable_statement_logging().application_name(name).options([
        ("statement_timeout", timeout.clone()),
        // A process that was stopped in a transaction must not keep its locks.
        ("idle_in_transaction_session_timeout", timeout),
    ])
}
