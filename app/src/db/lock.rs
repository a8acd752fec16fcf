//! Advisory locks, each on a connection of its own.
//!
//! The lock lives as long as its connection: a process that dies frees it.

use std::time::Duration;

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{ConnectOptions, Connection, PgPool, query_scalar};

use crate::error::{Context, Error, Result};

/// Longest wait for another process.
pub(super) const WAIT_MAX: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(50);

/// A held advisory lock.
#[derive(Debug)]
pub(super) struct AdvisoryLock {
    connection: PgConnection,
}

impl AdvisoryLock {
    /// Waits for the lock `name`, with a bound.
    pub(super) async fn acquire(pool: &PgPool, name: &str) -> Result<Self> {
        let options = pool.connect_options();
        let mut connection = options.connect().await.map_err(sea_orm::DbErr::from_driver)?;
        if !hold(&mut connection, name).await.context("asking for an advisory lock")? {
            return Err(Error::startup(
                format!("another process holds the lock \"{name}\" for more than {} s", WAIT_MAX.as_secs()),
                "see whether another tandem is still migrating, or stuck, on this database",
            ));
        }
        Ok(Self { connection })
    }

    /// The lock's own connection, for what is to be looked at while it is held.
    pub(super) fn connection(&mut self) -> &mut PgConnection {
        &mut self.connection
    }

    /// Frees the lock and closes its connection.
    pub(super) async fn release(self) -> Result<()> {
        self.connection.close().await.context("releasing an advisory lock")
    }
}

/// Takes the lock `name` for as long as the connection lives; `false` when the
/// wait became too long. It polls rather than blocks in the server, where a
/// waiting statement's snapshot would hold up concurrent index builds.
pub(super) async fn hold(connection: &mut PgConnection, name: &str) -> Result<bool, sea_orm::sqlx::Error> {
    let started = tokio::time::Instant::now();
    loop {
        let held: bool = query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))")
            .bind(name)
            .fetch_one(&mut *connection)
            .await?;
        if held || started.elapsed() > WAIT_MAX {
            return Ok(held);
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Turns a driver's error into the ORM's, which the rest of the application knows.
trait FromDriver {
    fn from_driver(error: sea_orm::sqlx::Error) -> Self;
}

impl FromDriver for sea_orm::DbErr {
    fn from_driver(error: sea_orm::sqlx::Error) -> Self {
        Self::Conn(sea_orm::RuntimeErr::SqlxError(error.into()))
    }
}
