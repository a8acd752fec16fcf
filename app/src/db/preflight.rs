//! What a database must offer, checked before a chain runs. Each message
//! says what to type.

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{query_as, query_scalar};

use crate::error::{Context, Error, Result};

/// Iterative index scans, on which filtered search rests, came with this version.
const VECTOR_VERSION_MIN: (u32, u32) = (0, 8);

pub(super) async fn encoding(connection: &mut PgConnection) -> Result<()> {
    let (name, encoding): (String, String) =
        query_as("SELECT current_database()::text, current_setting('server_encoding')")
            .fetch_one(&mut *connection)
            .await
            .context("reading the database's encoding")?;
    if encoding == "UTF8" {
        return Ok(());
    }
    Err(Error::startup(
        format!("database \"{name}\" has the encoding {encoding}, UTF8 is needed"),
        format!(
            "create it anew: CREATE DATABASE \"{name}\" ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;"
        ),
    ))
}

pub(super) async fn vector_extension(connection: &mut PgConnection) -> Result<()> {
    let installed: Option<String> =
        query_scalar("SELECT extversion FROM pg_extension WHERE extname = 'vector'")
            .fetch_optional(&mut *connection)
            .await
            .context("looking for the vector extension")?;
    if let Some(version) = installed {
        if is_new_enough(&version) {
            return Ok(());
        }
        return Err(Error::startup(
            format!("pgvector {version} is installed in the ai database, at least 0.8 is needed"),
            "install pgvector 0.8 or newer on the server, then run there: ALTER EXTENSION vector UPDATE;",
        ));
    }
    let available: Option<String> =
        query_scalar("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")
            .fetch_optional(&mut *connection)
            .await
            .context("looking for the vector extension")?;
    match available {
        None => Err(Error::startup(
            "the Postgres server of the ai database does not offer the vector extension",
            "install pgvector 0.8 or newer on that server (packages: postgresql-NN-pgvector; image: pgvector/pgvector), then start again",
        )),
        Some(version) if !is_new_enough(&version) => Err(Error::startup(
            format!("the server of the ai database offers pgvector {version}, at least 0.8 is needed"),
            "install pgvector 0.8 or newer on that server, then start again",
        )),
        Some(_) => may_create_extension(connection).await,
    }
}

/// `vector` is a trusted extension: whoever may create in the database may create it.
async fn may_create_extension(connection: &mut PgConnection) -> Result<()> {
    let (user, may): (String, bool) =
        query_as("SELECT current_user::text, has_database_privilege(current_database(), 'CREATE')")
            .fetch_one(&mut *connection)
            .await
            .context("reading privileges")?;
    if may {
        return Ok(());
    }
    Err(Error::startup(
        format!("the role \"{user}\" may not create the vector extension in the ai database"),
        "run there as a superuser: CREATE EXTENSION IF NOT EXISTS vector;",
    ))
}

fn is_new_enough(version: &str) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= VECTOR_VERSION_MIN
}

#[cfg(test)]
mod tests {
    use super::is_new_enough;

    #[test]
    fn versions_compare_by_number() {
        assert!(is_new_enough("0.8.0") && is_new_enough("0.10.1") && is_new_enough("1.0"));
        assert!(!is_new_enough("0.7.4") && !is_new_enough("0.5"));
    }
}
