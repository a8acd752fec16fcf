//! The two databases of the embedded cluster.

use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{self, Connection};

use crate::error::{Error, Result};

/// Name and statement; the statements cannot take a parameter.
const DATABASES: [(&str, &str); 2] = [
    ("core", "CREATE DATABASE core TEMPLATE template0 ENCODING 'UTF8'"),
    ("ai", "CREATE DATABASE ai TEMPLATE template0 ENCODING 'UTF8'"),
];

/// A server that was ready a moment ago can be restarting after a crash.
const CONNECT_MAX: Duration = Duration::from_secs(30);

/// Makes what is missing. `maintenance` reaches the database `postgres`.
pub(super) async fn ensure(maintenance: &PgConnectOptions) -> Result<()> {
    let mut connection = connect(maintenance).await?;
    let existing: Vec<String> = sqlx::query_scalar("SELECT datname::text FROM pg_database")
        .fetch_all(&mut connection)
        .await
        .map_err(|error| failed(&error))?;
    for (name, statement) in DATABASES {
        if !existing.iter().any(|found| found == name) {
            sqlx::query(statement).execute(&mut connection).await.map_err(|error| failed(&error))?;
        }
    }
    // The server does not mind a connection that just ends.
    let _ = connection.close().await;
    Ok(())
}

async fn connect(options: &PgConnectOptions) -> Result<PgConnection> {
    let deadline = Instant::now() + CONNECT_MAX;
    loop {
        match PgConnection::connect_with(options).await {
            Ok(connection) => return Ok(connection),
            Err(error) if is_passing(&error) && Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(failed(&error)),
        }
    }
}

/// Starting up, shutting down, or too many connections at this moment.
fn is_passing(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(error) => matches!(error.code().as_deref(), Some("57P03" | "53300")),
        _ => false,
    }
}

fn failed(error: &sqlx::Error) -> Error {
    let wrong_password =
        error.as_database_error().is_some_and(|error| error.code().as_deref() == Some("28P01"));
    let remedy = if wrong_password {
        "DATA_DIR/postgres.password is not this cluster's: restore both from the same backup"
    } else {
        "see DATA_DIR/postgres.log"
    };
    Error::startup(format!("the embedded Postgres cannot be used: {error}"), remedy)
}
