//! A first migration does not move into somebody else's database unasked.

use sea_orm::sqlx::postgres::PgConnection;
use sea_orm::sqlx::{query_as, query_scalar};

use super::tables::{self, Table};
use crate::error::{Context, Error, Result};

/// So many foreign tables are named.
const NAMED_MAX: usize = 5;

/// One of the two chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    Core,
    Ai,
}

impl Chain {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Ai => "ai",
        }
    }

    pub(super) fn history(self) -> &'static str {
        match self {
            Self::Core => "core_migrations",
            Self::Ai => "ai_migrations",
        }
    }

    fn other(self) -> Self {
        match self {
            Self::Core => Self::Ai,
            Self::Ai => Self::Core,
        }
    }

    fn tables(self) -> Vec<Table> {
        match self {
            Self::Core => tables::core(),
            Self::Ai => tables::ai(),
        }
    }
}

/// Refuses the first run of `chain` in a database that holds tables which are
/// neither the other chain's nor an extension's.
pub(super) async fn check(connection: &mut PgConnection, chain: Chain) -> Result<()> {
    let (database, mine, others): (String, bool, bool) =
        query_as("SELECT current_database()::text, to_regclass($1) IS NOT NULL, to_regclass($2) IS NOT NULL")
            .bind(chain.history())
            .bind(chain.other().history())
            .fetch_one(&mut *connection)
            .await
            .context("looking for a history table")?;
    if mine {
        return Ok(());
    }
    // A table with a name of ours is the other chain's only if that chain was here.
    let known: Vec<String> = if others {
        let tables = chain.other().tables();
        tables.iter().map(|table| table.name).chain([chain.other().history()]).map(str::to_owned).collect()
    } else {
        Vec::new()
    };
    let foreign = foreign_tables(connection, &known).await?;
    if foreign.is_empty() {
        return Ok(());
    }
    let named = foreign.iter().take(NAMED_MAX).map(String::as_str).collect::<Vec<_>>().join(", ");
    let more = foreign.len().saturating_sub(NAMED_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    Err(Error::startup(
        format!(
            "database \"{database}\" holds tables that are not Tandem's ({named}{more}), and the {} schema would be made beside them",
            chain.name()
        ),
        "use an empty database; if this one is meant, add --adopt, or set ADOPT_DATABASE=true",
    ))
}

async fn foreign_tables(connection: &mut PgConnection, known: &[String]) -> Result<Vec<String>> {
    query_scalar(
        "SELECT CASE WHEN n.nspname = current_schema() THEN c.relname ELSE n.nspname || '.' || c.relname END::text
           FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
            AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%'
            AND NOT (n.nspname = current_schema() AND c.relname = ANY($1))
            AND NOT EXISTS (SELECT FROM pg_depend AS d
                             WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
          ORDER BY 1",
    )
    .bind(known)
    .fetch_all(connection)
    .await
    .context("looking for foreign tables")
}
