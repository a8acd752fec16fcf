//! Advisory locks, on connections of a process's own.
//!
//! A lock lives no longer than its connection: a process that dies frees it.

use std::time::Duration;

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{query, query_scalar};

use crate::error::{Context, Error, Result};

/// Longest wait for another process.
pub(super) const WAIT_MAX: Duration = Duration::from_mins(10);
const POLL: Duration = Duration::from_millis(50);

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

/// As [`hold`], with an error that says what to look for.
pub(super) async fn acquire(connection: &mut PgConnection, name: &str) -> Result<()> {
    if hold(connection, name).await.context("asking for an advisory lock")? {
        return Ok(());
    }
    Err(Error::startup(
        format!("another process holds the lock \"{name}\" for more than {} s", WAIT_MAX.as_secs()),
        "see whether another tandem is still at work, or stuck, on this database",
    ))
}

/// Frees the lock; the end of the connection does too.
pub(super) async fn release(connection: &mut PgConnection, name: &str) -> Result<()> {
    let free = query("SELECT pg_advisory_unlock(hashtextextended($1, 0))").bind(name).execute(connection);
    free.await.context("releasing an advisory lock")?;
    Ok(())
}
