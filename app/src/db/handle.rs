//! Typed handles: which database a connection belongs to is part of its type.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use sea_orm::sqlx::postgres::PgPoolOptions;
use sea_orm::sqlx::{self, PgPool};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DbBackend, DbErr, ExecResult, QueryResult, SqlxPostgresConnector,
    Statement,
};

use tokio::sync::OnceCell;

use super::reach::Roles;
use super::tx::Tx;
use super::{lock, session, url};
use crate::error::Result;

/// A database that answers, answers within this.
const PING_MAX: Duration = Duration::from_secs(2);

/// Marks what belongs to the core database.
#[derive(Clone, Copy, Debug)]
pub struct Core;

/// Marks what belongs to the ai database.
#[derive(Clone, Copy, Debug)]
pub struct Ai;

/// A pool of connections to the database `M`.
#[derive(Clone, Debug)]
pub struct Db<M> {
    connection: DatabaseConnection,
    /// Set once it is known; only ai has any.
    pub(super) roles: Arc<OnceCell<Roles>>,
    /// Longest wait for a transaction on ai.
    pub(super) wait: Duration,
    /// Nobody gets a transaction on an ai database that was never compared with core.
    pub(super) is_closed: Arc<AtomicBool>,
    marker: PhantomData<M>,
}

/// Core's pool.
pub type CoreDb = Db<Core>;
/// Ai's pool.
pub type AiDb = Db<Ai>;
/// A transaction on core.
pub type CoreTx = Tx<Core>;
/// A transaction on ai.
pub type AiTx = Tx<Ai>;

/// Core's pool or a transaction on core.
pub trait CoreConn: ConnectionTrait + Send {}
/// A transaction on ai. The pool is none: every statement there acts for
/// somebody (see [`super::Reach`]).
pub trait AiConn: ConnectionTrait + Send {}

impl CoreConn for CoreDb {}
impl CoreConn for CoreTx {}
impl AiConn for AiTx {}

/// How many connections a pool has, and how many of them wait for work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Open connections.
    pub size: u32,
    /// Open connections that nobody uses.
    pub idle: u32,
    /// The most there can be.
    pub max: u32,
}

impl PoolState {
    /// Connections somebody holds right now.
    pub fn in_use(&self) -> u32 {
        self.size.saturating_sub(self.idle)
    }

    /// Whether all there can be are held.
    pub fn is_exhausted(&self) -> bool {
        self.in_use() >= self.max
    }
}

impl<M: Send + Sync> Db<M> {
    pub(super) fn new(pool: PgPool, wait: Duration) -> Self {
        Self {
            connection: SqlxPostgresConnector::from_sqlx_postgres_pool(pool),
            roles: Arc::default(),
            wait,
            is_closed: Arc::default(),
            marker: PhantomData,
        }
    }

    pub(super) async fn begin_plain(&self) -> Result<Tx<M>> {
        Ok(Tx::begin(self.pool(), "").await?)
    }

    /// Answers whether the database answers.
    pub async fn ping(&self) -> Result<()> {
        Ok(self.connection.ping().await?)
    }

    /// Why it does not answer, if it does not. A pool that is merely busy is no reason.
    pub async fn why_away(&self) -> Option<String> {
        let asked = tokio::time::timeout(PING_MAX, self.connection.ping()).await;
        if matches!(asked, Ok(Ok(()))) {
            return None;
        }
        match session::open(self.pool()).await {
            Ok(connection) => {
                session::close(connection).await;
                None
            }
            Err(reason) => Some(reason),
        }
    }

    /// Host, port and name; no credentials.
    pub fn describe(&self) -> String {
        url::describe(&self.pool().connect_options())
    }

    /// The pool's state, for health and tests.
    pub fn pool_state(&self) -> PoolState {
        let pool = self.pool();
        PoolState {
            size: pool.size(),
            idle: u32::try_from(pool.num_idle()).unwrap_or(u32::MAX),
            max: pool.options().get_max_connections(),
        }
    }

    /// A connection for migrations: its own, without the statement timeout,
    /// because building an index may take longer than any request. Whenever it
    /// connects it takes the lock `work`, so that it starts after the last
    /// transaction of a predecessor that was killed.
    pub(super) fn migration_connection(&self, work: &'static str) -> DatabaseConnection {
        let options = self.pool().connect_options().as_ref().clone();
        let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None);
        let pool = pool.acquire_timeout(lock::WAIT_MAX * 2).after_connect(move |connection, _| {
            Box::pin(async move {
                if lock::hold(connection, work).await? { Ok(()) } else { Err(sqlx::Error::PoolTimedOut) }
            })
        });
        let pool = pool.connect_lazy_with(
            // Row security is forced on the owner too, so this login says what it is.
            options.options([("statement_timeout", "0"), ("tandem.actor", "worker")]),
        );
        SqlxPostgresConnector::from_sqlx_postgres_pool(pool)
    }

    /// The driver's pool, for what the ORM does not offer (LISTEN, COPY).
    pub fn pool(&self) -> &PgPool {
        self.connection.get_postgres_connection_pool()
    }
}

impl CoreDb {
    /// Begins a transaction.
    pub async fn begin(&self) -> Result<CoreTx> {
        self.begin_plain().await
    }
}

#[sea_orm_migration::async_trait::async_trait]
impl ConnectionTrait for CoreDb {
    fn get_database_backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.connection.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.connection.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.connection.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.connection.query_all_raw(statement).await
    }
}
