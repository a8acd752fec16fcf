//! What a server and a database say about themselves, in one query each.

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::query_as;

use crate::error::{Context, Result};

/// A database, its server, and what the role may do there.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Facts {
    pub(super) database: String,
    pub(super) role: String,
    /// As people write it.
    pub(super) version: String,
    /// 150004 for 15.4.
    pub(super) version_num: i32,
    pub(super) encoding: String,
    pub(super) in_recovery: bool,
    pub(super) read_only: bool,
    /// Where new tables go; none if the search path names no schema that exists.
    pub(super) schema: Option<String>,
    pub(super) may_create_tables: bool,
    pub(super) connections: Connections,
    /// Tells whether two databases are on one server: the moment it started.
    pub(super) started_at: f64,
}

/// How many connections there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Connections {
    /// `max_connections`.
    pub(super) max: i32,
    /// Kept back for superusers.
    pub(super) reserved: i32,
    /// The role's own limit.
    pub(super) of_role: Option<i32>,
    /// The database's own limit.
    pub(super) of_database: Option<i32>,
}

type Row = (
    String,
    String,
    String,
    i32,
    String,
    bool,
    bool,
    Option<String>,
    bool,
    i32,
    i32,
    Option<i32>,
    Option<i32>,
    f64,
);

/// Reads them. Works with any role and on a standby.
pub(super) async fn read(connection: &mut PgConnection) -> Result<Facts> {
    let row: Row = query_as(
        "SELECT current_database()::text,
                current_user::text,
                current_setting('server_version'),
                current_setting('server_version_num')::int,
                current_setting('server_encoding'),
                pg_is_in_recovery(),
                current_setting('default_transaction_read_only')::bool,
                current_schema()::text,
                coalesce(has_schema_privilege(current_schema(), 'CREATE'), false),
                current_setting('max_connections')::int,
                current_setting('superuser_reserved_connections')::int
                    + coalesce(current_setting('reserved_connections', true), '0')::int,
                (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
                (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database()),
                extract(epoch FROM pg_postmaster_start_time())::float8",
    )
    .fetch_one(connection)
    .await
    .context("asking a database about itself")?;
    Ok(Facts {
        database: row.0,
        role: row.1,
        version: row.2,
        version_num: row.3,
        encoding: row.4,
        in_recovery: row.5,
        read_only: row.6,
        schema: row.7,
        may_create_tables: row.8,
        connections: Connections { max: row.9, reserved: row.10, of_role: row.11, of_database: row.12 },
        started_at: row.13,
    })
}

/// The vector extension as a database sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Vector {
    /// In this database.
    pub(super) installed: Option<String>,
    /// What the server could install.
    pub(super) available: Option<String>,
    /// The schema it is in.
    pub(super) schema: Option<String>,
    /// Whether `vector` names the type without a schema.
    pub(super) is_visible: bool,
}

/// Reads it from `pg_extension` and `pg_available_extensions`.
pub(super) async fn vector(connection: &mut PgConnection) -> Result<Vector> {
    let row: (Option<String>, Option<String>, Option<String>, bool) = query_as(
        "SELECT (SELECT extversion FROM pg_extension WHERE extname = 'vector'),
                (SELECT default_version FROM pg_available_extensions WHERE name = 'vector'),
                (SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'vector'),
                to_regtype('vector') IS NOT NULL",
    )
    .fetch_one(connection)
    .await
    .context("looking for the vector extension")?;
    Ok(Vector { installed: row.0, available: row.1, schema: row.2, is_visible: row.3 })
}

#[cfg(test)]
impl Facts {
    /// A server that has everything.
    pub(super) fn for_tests() -> Self {
        Self {
            database: "db".to_owned(),
            role: "role".to_owned(),
            version: "17.0".to_owned(),
            version_num: 170_000,
            encoding: "UTF8".to_owned(),
            in_recovery: false,
            read_only: false,
            schema: Some("public".to_owned()),
            may_create_tables: true,
            connections: Connections { max: 100, reserved: 3, of_role: None, of_database: None },
            started_at: 1.0,
        }
    }
}
