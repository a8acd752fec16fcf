//! What a database must offer, checked before a chain runs. Each message
//! names the database and says what to type.

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{Connection, Error as Driver, Executor};

use super::embedded::install::MAJOR_MIN;
use super::facts::{self, Facts, Vector};
use crate::error::{Context, Error, Result};

/// Iterative index scans, on which filtered search rests, came with this version.
const VECTOR_VERSION_MIN: (u32, u32) = (0, 8);

/// A refusal: what is wrong and what to do.
pub(super) type Refusal = (String, String);

/// What both databases must offer.
pub(super) async fn server(connection: &mut PgConnection) -> Result<()> {
    let facts = facts::read(connection).await?;
    let checks = [version(&facts), encoding(&facts), writable(&facts), may_create_tables(&facts)];
    refuse(checks.into_iter().flatten().next())
}

/// What ai must offer beyond that.
pub(super) async fn vector_extension(connection: &mut PgConnection) -> Result<()> {
    let database = facts::read(connection).await?.database;
    let vector = facts::vector(connection).await?;
    refuse(vector_refusal(&database, &vector))?;
    match vector.installed {
        Some(_) => Ok(()),
        None => may_create_extension(connection, &database).await,
    }
}

fn refuse(refusal: Option<Refusal>) -> Result<()> {
    refusal.map_or(Ok(()), |(problem, remedy)| Err(Error::startup(problem, remedy)))
}

pub(super) fn version(facts: &Facts) -> Option<Refusal> {
    let is_old = facts.version_num / 10_000 < i32::try_from(MAJOR_MIN).unwrap_or(i32::MAX);
    is_old.then(|| {
        (
            format!(
                "database \"{}\" is on PostgreSQL {}, at least {MAJOR_MIN} is needed",
                facts.database, facts.version
            ),
            format!("upgrade that server, or use another with PostgreSQL {MAJOR_MIN} or newer"),
        )
    })
}

pub(super) fn encoding(facts: &Facts) -> Option<Refusal> {
    let name = &facts.database;
    (facts.encoding != "UTF8").then(|| {
        (
            format!("database \"{name}\" has the encoding {}, UTF8 is needed", facts.encoding),
            format!(
                "create it anew: CREATE DATABASE \"{name}\" ENCODING 'UTF8' LOCALE 'C.UTF-8' TEMPLATE template0;"
            ),
        )
    })
}

pub(super) fn writable(facts: &Facts) -> Option<Refusal> {
    let name = &facts.database;
    if facts.in_recovery {
        return Some((
            format!("database \"{name}\" is on a standby, which is read-only"),
            "use the URL of the primary server".to_owned(),
        ));
    }
    facts.read_only.then(|| {
        (
            format!("database \"{name}\" is read-only: default_transaction_read_only is on"),
            format!(
                "see whether the host made it read-only (a full disk, maintenance), then run: \
                 ALTER DATABASE \"{name}\" SET default_transaction_read_only = off; \
                 or, if the role has it: ALTER ROLE \"{}\" SET default_transaction_read_only = off;",
                facts.role
            ),
        )
    })
}

pub(super) fn may_create_tables(facts: &Facts) -> Option<Refusal> {
    let Facts { database, role, schema, .. } = facts;
    let Some(schema) = schema else {
        return Some((
            format!(
                "the search path of role \"{role}\" in database \"{database}\" names no schema that exists"
            ),
            format!("run there: ALTER ROLE \"{role}\" IN DATABASE \"{database}\" SET search_path = public;"),
        ));
    };
    (!facts.may_create_tables).then(|| {
        (
            format!(
                "role \"{role}\" may not create tables in schema \"{schema}\" of database \"{database}\""
            ),
            format!("run there as its owner: GRANT USAGE, CREATE ON SCHEMA \"{schema}\" TO \"{role}\";"),
        )
    })
}

pub(super) fn vector_refusal(database: &str, vector: &Vector) -> Option<Refusal> {
    const INSTALL: &str = "install pgvector 0.8 or newer on that server (packages: postgresql-NN-pgvector; image: pgvector/pgvector)";
    let newer = vector.available.as_deref().is_some_and(is_new_enough);
    match (&vector.installed, &vector.available) {
        (Some(installed), _) if !is_new_enough(installed) => Some((
            format!("pgvector {installed} is installed in database \"{database}\", at least 0.8 is needed"),
            if newer {
                "run there: ALTER EXTENSION vector UPDATE;".to_owned()
            } else {
                format!("{INSTALL}, then run there: ALTER EXTENSION vector UPDATE;")
            },
        )),
        (Some(_), _) if !vector.is_visible => {
            let schema = vector.schema.as_deref().unwrap_or("extensions");
            Some((
                format!(
                    "the vector extension of database \"{database}\" is in schema \"{schema}\", which is not on the search path"
                ),
                format!("run there: ALTER DATABASE \"{database}\" SET search_path = public, \"{schema}\";"),
            ))
        }
        (None, None) => Some((
            format!(
                "the server of database \"{database}\" does not offer the vector extension, which the ai schema needs"
            ),
            format!("{INSTALL}, then start again"),
        )),
        (None, Some(available)) if !newer => Some((
            format!(
                "the server of database \"{database}\" offers pgvector {available}, at least 0.8 is needed"
            ),
            format!("{INSTALL}, then start again"),
        )),
        (Some(_), _) | (None, Some(_)) => None,
    }
}

/// Tries and takes it back: hosts decide in too many ways who may create it.
async fn may_create_extension(connection: &mut PgConnection, database: &str) -> Result<()> {
    let mut attempt = connection.begin().await.context("trying to create the vector extension")?;
    let outcome = attempt.execute("CREATE EXTENSION vector").await;
    attempt.rollback().await.context("taking back the attempt")?;
    match outcome {
        Ok(_) => Ok(()),
        Err(Driver::Database(error)) => Err(Error::startup(
            format!("the vector extension cannot be created in database \"{database}\": {}", error.message()),
            "run there as a superuser (or as your host's administrator role): CREATE EXTENSION IF NOT EXISTS vector;",
        )),
        Err(error) => Err(error).context("trying to create the vector extension"),
    }
}

pub(super) fn is_new_enough(version: &str) -> bool {
    is_at_least(version, VECTOR_VERSION_MIN)
}

pub(super) fn is_at_least(version: &str, least: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0)) >= least
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(is_new_enough("0.8.0") && is_new_enough("0.10.1") && is_new_enough("1.0"));
        assert!(!is_new_enough("0.7.4") && !is_new_enough("0.5"));
    }

    #[test]
    fn what_a_server_lacks_is_named_with_its_remedy() {
        let facts = Facts::for_tests();
        assert_eq!(
            [version(&facts), encoding(&facts), writable(&facts), may_create_tables(&facts)],
            [const { None }; 4]
        );
        let old = Facts { version: "14.9".to_owned(), version_num: 140_009, ..facts.clone() };
        let (problem, remedy) = version(&old).unwrap();
        assert!(problem.contains("PostgreSQL 14.9") && problem.contains("\"db\"") && remedy.contains("15"));
        let (problem, remedy) = writable(&Facts { in_recovery: true, ..facts.clone() }).unwrap();
        assert!(problem.contains("standby") && remedy.contains("primary"));
        let (problem, _) = may_create_tables(&Facts { schema: None, ..facts }).unwrap();
        assert!(problem.contains("search path"));
    }

    #[test]
    fn each_state_of_the_extension_has_its_remedy() {
        let remedy = |installed: Option<&str>, available: Option<&str>, is_visible| {
            let vector = Vector {
                installed: installed.map(str::to_owned),
                available: available.map(str::to_owned),
                schema: installed.map(|_| "extensions".to_owned()),
                is_visible,
            };
            vector_refusal("ai", &vector).map(|(problem, remedy)| {
                assert!(problem.contains("\"ai\""), "{problem}");
                remedy
            })
        };
        assert_eq!(remedy(None, Some("0.8.1"), false), None);
        assert_eq!(remedy(Some("0.8.1"), Some("0.8.1"), true), None);
        assert!(remedy(None, None, false).unwrap().contains("postgresql-NN-pgvector"));
        assert!(remedy(None, Some("0.7.0"), false).unwrap().contains("0.8 or newer"));
        let update = remedy(Some("0.7.0"), Some("0.8.1"), true).unwrap();
        assert_eq!(update, "run there: ALTER EXTENSION vector UPDATE;");
        assert!(remedy(Some("0.7.0"), Some("0.7.0"), true).unwrap().starts_with("install pgvector"));
        assert!(remedy(Some("0.8.1"), Some("0.8.1"), false).unwrap().contains("search_path"));
    }
}
