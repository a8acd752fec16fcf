//! Which engine finds candidates, and what the server offers.
//!
//! An engine changes how candidates are found, and nothing else: distances are
//! computed from the table, row-level security and filters are conditions of the
//! same statement, and a page that comes back short is asked for again exactly
//! ([`super::vector`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{Connection, Error as Driver, Executor, query_as};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::facts;
use super::handle::AiDb;
use super::preflight::{self, Refusal};
use super::space::VECTOR_COLUMNS;
use crate::config::{Settings, VectorEngine};
use crate::error::{Context, Error, Result};

/// Extensions beside pgvector that have an engine.
pub(super) const VECTORSCALE: &str = "vectorscale";
pub(super) const TEXTSEARCH: &str = "pg_textsearch";

/// The oldest pgvectorscale that Tandem is tested with.
const VECTORSCALE_MIN: (u32, u32) = (0, 9);

/// What helps in any case.
const OTHERWISE: &str = "or set VECTOR_ENGINE=hnsw (engines.vector)";

/// The engine of the indexes that are searched, as this process saw them last. It may be
/// late: a search is right with either, and only reads too much or finds a little less.
#[derive(Clone, Debug)]
pub struct InUse(Arc<AtomicBool>);

impl InUse {
    /// What is configured, until the database was asked.
    pub fn expected(settings: &Settings) -> Self {
        Self(Arc::new(AtomicBool::new(settings.engines.vector == VectorEngine::Diskann)))
    }

    /// Whether an index that is searched orders by compressed vectors.
    pub fn is_compressed(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }

    /// Looks at the indexes.
    pub async fn look(&self, ai: &AiDb) -> Result<()> {
        let names: Vec<String> = VECTOR_COLUMNS.iter().map(|(_, index)| (*index).to_owned()).collect();
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT count(*) > 0 AS compressed FROM pg_class AS c JOIN pg_am AS m ON m.oid = c.relam
              WHERE c.relnamespace = current_schema()::regnamespace AND c.relname = ANY ($1) AND m.amname = 'diskann'",
            [names.into()],
        );
        let row = ai.begin_worker().await?.query_one_raw(statement).await?;
        if let Some(row) = row {
            self.0.store(row.try_get("", "compressed")?, Ordering::Release);
        }
        Ok(())
    }
}

/// An extension as a database sees it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Extension {
    /// In this database.
    pub(super) installed: Option<String>,
    /// What the server could install.
    pub(super) available: Option<String>,
}

/// Reads it.
pub(super) async fn extension(connection: &mut PgConnection, name: &str) -> Result<Extension> {
    let row: (Option<String>, Option<String>) = query_as(
        "SELECT (SELECT extversion FROM pg_extension WHERE extname = $1),
                (SELECT default_version FROM pg_available_extensions WHERE name = $1)",
    )
    .bind(name)
    .fetch_one(connection)
    .await
    .context("looking for an extension")?;
    Ok(Extension { installed: row.0, available: row.1 })
}

/// Why the configured engine cannot be used in this database.
pub(super) fn refusal(database: &str, found: &Extension) -> Option<Refusal> {
    let is_new_enough = |version: &String| preflight::is_at_least(version, VECTORSCALE_MIN);
    let newer = found.available.as_ref().is_some_and(is_new_enough);
    match (&found.installed, &found.available) {
        (Some(installed), _) if is_new_enough(installed) => None,
        (Some(installed), _) if newer => Some((
            format!(
                "pgvectorscale {installed} is installed in database \"{database}\", VECTOR_ENGINE=diskann needs at least 0.9"
            ),
            format!("run there: ALTER EXTENSION {VECTORSCALE} UPDATE; {OTHERWISE}"),
        )),
        (None, Some(_)) if newer => None,
        (None, None) => Some((
            format!(
                "VECTOR_ENGINE is diskann, and the server of database \"{database}\" does not offer pgvectorscale (the extension {VECTORSCALE})"
            ),
            format!("install pgvectorscale 0.9 or newer on that server, {OTHERWISE}"),
        )),
        (installed, available) => Some((
            format!(
                "VECTOR_ENGINE is diskann, and the server of database \"{database}\" has pgvectorscale {}, at least 0.9 is needed",
                installed.as_ref().or(available.as_ref()).map_or("?", String::as_str)
            ),
            format!("install pgvectorscale 0.9 or newer on that server, {OTHERWISE}"),
        )),
    }
}

/// Refuses a configured engine that the database does not have.
pub(super) async fn require(connection: &mut PgConnection, settings: &Settings) -> Result<()> {
    let Some((database, false)) = wanted(connection, settings).await? else { return Ok(()) };
    Err(Error::startup(
        format!(
            "VECTOR_ENGINE is diskann, and the extension {VECTORSCALE} is not installed in database \"{database}\""
        ),
        "run `tandem migrate ai`, or start without --no-migrate",
    ))
}

/// Refuses a configured engine that the database cannot have, and makes its extension.
pub(super) async fn ensure(connection: &mut PgConnection, settings: &Settings) -> Result<()> {
    let Some((database, false)) = wanted(connection, settings).await? else { return Ok(()) };
    let mut transaction = connection.begin().await.context("making an extension")?;
    match transaction.execute("CREATE EXTENSION IF NOT EXISTS vectorscale").await {
        Ok(_) => transaction.commit().await.context("making an extension"),
        Err(Driver::Database(error)) => Err(Error::startup(
            format!(
                "VECTOR_ENGINE is diskann, and the extension {VECTORSCALE} cannot be created in database \"{database}\": {}",
                error.message()
            ),
            format!(
                "run there as a superuser (or as your host's administrator role): CREATE EXTENSION {VECTORSCALE}; {OTHERWISE}"
            ),
        )),
        Err(error) => Err(error).context("making an extension"),
    }
}

/// Of an engine that needs an extension: the database's name, and whether it has it. Refuses
/// what the server cannot offer.
async fn wanted(connection: &mut PgConnection, settings: &Settings) -> Result<Option<(String, bool)>> {
    if settings.engines.vector == VectorEngine::Hnsw {
        return Ok(None);
    }
    let database = facts::read(connection).await?.database;
    let found = extension(connection, VECTORSCALE).await?;
    match refusal(&database, &found) {
        Some((problem, remedy)) => Err(Error::startup(problem, remedy)),
        None => Ok(Some((database, found.installed.is_some()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_of_pgvectorscale_has_its_remedy() {
        let remedy = |installed: Option<&str>, available: Option<&str>| {
            let found = Extension {
                installed: installed.map(str::to_owned),
                available: available.map(str::to_owned),
            };
            refusal("ai", &found).map(|(problem, remedy)| {
                assert!(problem.contains("\"ai\"") && problem.contains("VECTOR_ENGINE"), "{problem}");
                assert!(remedy.contains("VECTOR_ENGINE=hnsw"), "{remedy}");
                remedy
            })
        };
        assert_eq!(remedy(None, Some("0.9.0")), None);
        assert_eq!(remedy(Some("0.10.1"), None), None);
        assert!(remedy(None, None).unwrap().starts_with("install pgvectorscale"));
        assert!(remedy(Some("0.8.0"), Some("0.9.0")).unwrap().contains("ALTER EXTENSION vectorscale UPDATE"));
        assert!(remedy(Some("0.8.0"), Some("0.8.0")).unwrap().starts_with("install"));
        assert!(remedy(None, Some("0.8.0")).unwrap().starts_with("install"));
    }
}
