//! The statements of the knowledge base.
//!
//! What runs for a user takes the user's audience; what runs for a job takes
//! items, and touches a source only at the generation the job is about.

mod accept;
mod change;
mod collections;
mod delete;
mod files;
mod ingest;
mod read;
mod stats;

use sea_orm::{DbBackend, Statement, Value};

pub(super) use accept::*;
pub(super) use change::*;
pub(super) use collections::*;
pub(super) use delete::*;
pub(super) use files::*;
pub(super) use ingest::*;
pub(super) use read::*;
pub(super) use stats::*;

use super::jobs::Item;
use crate::error::Result;

/// A statement over `unnest($1::uuid[], $2::bigint[])`: the ids of items and their numbers.
fn over(sql: &'static str, items: &[Item], more: impl IntoIterator<Item = Value>) -> Statement {
    let ids: Vec<uuid::Uuid> = items.iter().map(|item| item.id.0).collect();
    let numbers: Vec<i64> = items.iter().map(|item| item.generation).collect();
    let values = [Value::from(ids), Value::from(numbers)].into_iter().chain(more);
    Statement::from_sql_and_values(DbBackend::Postgres, sql, values)
}

fn items(rows: &[sea_orm::QueryResult]) -> Result<Vec<Item>> {
    rows.iter()
        .map(|row| Ok(Item { id: row.try_get("", "id")?, generation: row.try_get("", "generation")? }))
        .collect()
}
