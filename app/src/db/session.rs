//! Single connections outside the pools, for what happens around a start.

use std::time::Duration;

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{ConnectOptions, Connection, PgPool};

use super::url;
use crate::error::{Error, Result};

/// Nobody waits longer for a database at start.
const CONNECT_MAX: Duration = Duration::from_secs(10);

/// A connection of its own, with the pool's options; the error says why there is none.
pub(super) async fn open(pool: &PgPool) -> Result<PgConnection, String> {
    let options = pool.connect_options();
    match tokio::time::timeout(CONNECT_MAX, options.connect()).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {} s", CONNECT_MAX.as_secs())),
    }
}

/// The refusal of a start or a command that cannot do without this database.
pub(super) fn unreachable(variable: &str, pool: &PgPool, reason: &str) -> Error {
    Error::startup(
        format!("{variable} ({}) cannot be reached: {reason}", url::describe(&pool.connect_options())),
        format!("start that Postgres, or correct {variable}"),
    )
}

/// Says goodbye; a connection that is gone already needs none.
pub(super) async fn close(connection: PgConnection) {
    connection.close().await.ok();
}
