//! Finding rows whose other half is gone, page by page.

use std::collections::{BTreeMap, HashSet};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use super::{ORPHANS_MAX, ORPHANS_MIN, ROWS_AN_ORPHAN, RowId};
use crate::error::{Error, Result};
use crate::state::AppState;

/// Rows a page.
const PAGE: usize = 1000;

/// The database a table is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Core,
    Ai,
}

/// What is done with an orphan in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The row goes.
    Delete,
    /// The row stays, the link goes.
    Unset,
    /// The row stays, its words go.
    Empty,
}

/// A column that names a row of the other database.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) side: Side,
    pub(super) table: &'static str,
    pub(super) column: &'static str,
    /// Which rows count as linked.
    condition: &'static str,
    /// The other database's table.
    target: &'static str,
    pub(super) reason: &'static str,
    pub(super) remedy: Remedy,
}

/// Every link across the wall.
pub(super) const LINKS: [Link; 7] = [
    of_ai("ai_feedback", "message_id", "messages", "message_gone", Remedy::Delete),
    of_ai("ai_feedback", "user_id", "users", "user_gone", Remedy::Delete),
    of_ai("ai_kb_sources", "owner_id", "users", "owner_gone", Remedy::Delete),
    of_ai("ai_kb_sources", "collection_id", "knowledge_collections", "collection_gone", Remedy::Unset),
    of_ai("ai_memories", "owner_id", "users", "owner_gone", Remedy::Delete),
    of_ai("ai_memories", "source_message_id", "messages", "message_gone", Remedy::Unset),
    Link {
        side: Side::Core,
        table: "citations",
        column: "source_id",
        condition: "NOT deleted",
        target: "ai_kb_sources",
        reason: "source_gone",
        remedy: Remedy::Empty,
    },
];

const fn of_ai(
    table: &'static str,
    column: &'static str,
    target: &'static str,
    reason: &'static str,
    remedy: Remedy,
) -> Link {
    Link { side: Side::Ai, table, column, condition: "true", target, reason, remedy }
}

/// What was found of a link.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) link: &'static Link,
    /// Rows of the whole table.
    table_rows: u64,
    /// Rows with such a link.
    pub(super) rows: u64,
    pub(super) orphans: u64,
    /// The orphans, as long as they are no alarm.
    pub(super) ids: Vec<RowId>,
}

/// Looks at every row of a link.
pub(super) async fn scan(state: &AppState, link: &'static Link, limit: Option<u64>) -> Result<Found> {
    let table_rows = count(state, link).await?;
    let keep = usize::try_from(allowed(table_rows, limit)).unwrap_or(usize::MAX);
    let mut found = Found { link, table_rows, rows: 0, orphans: 0, ids: Vec::new() };
    let mut after = Uuid::nil();
    loop {
        let page = page(state, link, after).await?;
        let Some((last, _)) = page.last() else {
            return Ok(found);
        };
        after = *last;
        let targets: Vec<Uuid> = page.iter().map(|(_, target)| *target).collect();
        let alive = alive(state, link, targets).await?;
        found.rows += page.len() as u64;
        for (id, _) in page.iter().filter(|(_, target)| !alive.contains(target)) {
            found.orphans += 1;
            // One more than is allowed, to know that it is too many.
            if found.ids.len() <= keep {
                found.ids.push(*id);
            }
        }
        if page.len() < PAGE {
            return Ok(found);
        }
    }
}

/// Orphans of a table that are no alarm.
fn allowed(table_rows: u64, limit: Option<u64>) -> u64 {
    limit.unwrap_or_else(|| (table_rows / ROWS_AN_ORPHAN).clamp(ORPHANS_MIN, ORPHANS_MAX))
}

/// Why nothing may be touched, if so. A row that lacks two halves counts once.
pub(super) fn alarm(found: &[Found], limit: Option<u64>) -> Option<String> {
    let mut tables: BTreeMap<&str, (u64, HashSet<RowId>)> = BTreeMap::new();
    for found in found {
        let entry = tables.entry(found.link.table).or_insert((found.table_rows, HashSet::new()));
        entry.1.extend(&found.ids);
    }
    tables.into_iter().find_map(|(table, (rows, orphans))| {
        let allowed = allowed(rows, limit);
        (orphans.len() as u64 > allowed).then(|| {
            format!(
                "{table} has more than {allowed} orphans in {rows} rows: is the other database the right one? --limit N allows more"
            )
        })
    })
}

async fn count(state: &AppState, link: &Link) -> Result<u64> {
    let sql = format!("SELECT count(*) AS rows FROM {}", link.table);
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    let row = match link.side {
        Side::Core => state.core.query_one_raw(statement).await?,
        Side::Ai => state.ai.begin_worker().await?.query_one_raw(statement).await?,
    };
    let rows: i64 = row.ok_or(Error::NotFound("count"))?.try_get("", "rows")?;
    Ok(rows.unsigned_abs())
}

/// The next rows, with what they name.
async fn page(state: &AppState, link: &Link, after: Uuid) -> Result<Vec<(RowId, Uuid)>> {
    let Link { table, column, condition, .. } = link;
    let sql = format!(
        "SELECT id, {column} AS target FROM {table}
          WHERE {column} IS NOT NULL AND {condition} AND id > $1 ORDER BY id LIMIT {PAGE}"
    );
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [after.into()]);
    let rows = match link.side {
        Side::Core => state.core.query_all_raw(statement).await?,
        Side::Ai => state.ai.begin_worker().await?.query_all_raw(statement).await?,
    };
    rows.iter().map(|row| Ok((row.try_get("", "id")?, row.try_get("", "target")?))).collect()
}

/// Which of them are there, in the other database.
async fn alive(state: &AppState, link: &Link, mut targets: Vec<Uuid>) -> Result<HashSet<Uuid>> {
    targets.sort_unstable();
    targets.dedup();
    let sql = format!("SELECT id FROM {} WHERE id = ANY($1)", link.target);
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [targets.into()]);
    let rows = match link.side {
        Side::Core => state.ai.begin_worker().await?.query_all_raw(statement).await?,
        Side::Ai => state.core.query_all_raw(statement).await?,
    };
    rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_orphan_is_always_allowed_and_never_more_than_a_hundred() {
        assert_eq!(allowed(0, None), 1);
        assert_eq!(allowed(150, None), 1);
        assert_eq!(allowed(250, None), 2);
        assert_eq!(allowed(1_000_000, None), 100);
        assert_eq!(allowed(10, Some(7)), 7);
    }
}
