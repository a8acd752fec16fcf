//! Rows that one statement stores from JSON documents, those of many callers at once.
//!
//! The statement is told by a room above this one. It takes `$1`, a list of
//! documents as text, and `$2`, how long it may wait for a lock, or null for as long
//! as any statement, and returns a row for each document that it stored, with its `id` and
//! whatever else its caller wants to know.

use std::collections::HashMap;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement};
use uuid::Uuid;

use super::group_commit::{GroupCommit, Store};
use super::handle::CoreDb;
use crate::error::Result;

/// A lock that is held longer is somebody's who may be frozen: others go on without.
const PATIENCE: &str = "100ms";

/// One document.
#[derive(Clone, Debug)]
pub struct Document {
    /// The same id as in the document.
    pub id: Uuid,
    /// An object.
    pub json: String,
}

/// A statement with the database it is for.
#[derive(Debug)]
pub struct Documents {
    core: CoreDb,
    sql: &'static str,
}

/// Stores documents in groups. Cheap to clone.
pub type DocumentStore = GroupCommit<Documents>;

impl Documents {
    /// Starts storing by this statement.
    pub fn start(core: &CoreDb, sql: &'static str) -> DocumentStore {
        GroupCommit::start(Self { core: core.clone(), sql })
    }
}

impl Store for Documents {
    type Item = Document;
    type Stored = QueryResult;

    /// The next group gathers while this one waits for the disk.
    const WRITERS: usize = 1;

    async fn together(&self, items: &[&Document]) -> Result<Vec<Option<QueryResult>>, DbErr> {
        let rows = run(&self.core, self.sql, items, Some(PATIENCE)).await?;
        let id = |row: &QueryResult| row.try_get::<Uuid>("", "id");
        let mut stored: HashMap<Uuid, QueryResult> =
            rows.into_iter().map(|row| Ok((id(&row)?, row))).collect::<Result<_, DbErr>>()?;
        Ok(items.iter().map(|item| stored.remove(&item.id)).collect())
    }

    async fn alone(&self, item: &Document) -> Result<Option<QueryResult>, DbErr> {
        Ok(run(&self.core, self.sql, &[item], None).await?.pop())
    }
}

/// Stores a document by the same statement in a transaction of the caller's. None: it
/// may not be stored.
pub async fn store_in(
    core: &impl ConnectionTrait,
    sql: &'static str,
    item: &Document,
) -> Result<Option<QueryResult>> {
    Ok(run(core, sql, &[item], None).await?.pop())
}

async fn run(
    core: &impl ConnectionTrait,
    sql: &str,
    items: &[&Document],
    patience: Option<&str>,
) -> Result<Vec<QueryResult>, DbErr> {
    let size: usize = items.iter().map(|item| item.json.len() + 1).sum();
    let mut list = String::with_capacity(size + 1);
    for item in items {
        list.push(if list.is_empty() { '[' } else { ',' });
        list.push_str(&item.json);
    }
    list.push(']');
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [list.into(), patience.into()]);
    core.query_all_raw(statement).await
}
