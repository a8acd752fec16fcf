//! How many of the true neighbours an index finds.

use entity::ids::SpaceId;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::column::{Place, TABLES, type_of};
use super::ef_search;
use crate::config::{Settings, VectorEngine};
use crate::db::handle::AiDb;
use crate::db::vector;
use crate::error::Result;

/// Neighbours that are compared.
const NEIGHBOURS: usize = 10;

/// Distances closer than this are one: which of two equal rows is found does not matter.
const EQUAL: f64 = 1e-6;

/// How well a table's index finds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recall {
    /// The table.
    pub table: String,
    /// Rows whose vectors were searched for.
    pub samples: usize,
    /// Share of the ten true neighbours that were found; 1 where there is nothing to find.
    pub recall: f64,
    /// The width of the search.
    pub ef_search: u32,
}

#[derive(Debug, FromQueryResult)]
struct Near {
    distance: f64,
}

/// Compares the indexes at this place with exact search, on vectors of rows from all over the tables.
pub async fn measure(ai: &AiDb, place: Place, dimensions: u32, settings: &Settings) -> Result<Vec<Recall>> {
    let mut measured = Vec::new();
    for table in TABLES {
        let width = ef_search(table, settings);
        let rows = match settings.engines.vector {
            VectorEngine::Hnsw => NEIGHBOURS as u64,
            VectorEngine::Diskann => vector::rows_for(NEIGHBOURS as u64),
        };
        let queries = queries(ai, table, place, settings.spaces.recall_samples).await?;
        let mut sum = 0.0;
        for query in &queries {
            sum += one(ai, table, place, dimensions, (width, rows), query).await?;
        }
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let recall = if queries.is_empty() { 1.0 } else { sum / queries.len() as f64 };
        measured.push(Recall { table: table.to_owned(), samples: queries.len(), recall, ef_search: width });
    }
    Ok(measured)
}

/// Keeps what was measured.
pub async fn keep(ai: &AiDb, space: SpaceId, recall: &[Recall]) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_embedding_spaces SET recall = $2, updated_at = now() WHERE id = $1",
        [space.0.into(), serde_json::to_value(recall).unwrap_or_default().into()],
    );
    let ai = ai.begin_worker().await?;
    ai.execute_raw(statement).await?;
    ai.commit().await
}

async fn queries(ai: &AiDb, table: &str, place: Place, samples: u32) -> Result<Vec<String>> {
    let column = place.column();
    let ai = ai.begin_worker().await?;
    let estimate = Statement::from_string(
        DbBackend::Postgres,
        format!(
            "SELECT greatest(reltuples, 0)::float8 AS rows FROM pg_class WHERE oid = '{table}'::regclass"
        ),
    );
    let rows: f64 = match ai.query_one_raw(estimate).await? {
        Some(row) => row.try_get("", "rows")?,
        None => 0.0,
    };
    let percent = if rows < 1.0 { 100.0 } else { (f64::from(samples) * 400.0 / rows).clamp(0.001, 100.0) };
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!(
            "SELECT {column}::text AS vector FROM {table} TABLESAMPLE BERNOULLI ({percent})
              WHERE {column} IS NOT NULL ORDER BY random() LIMIT $1"
        ),
        [i64::from(samples).into()],
    );
    let rows = ai.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok(row.try_get("", "vector")?)).collect()
}

/// The share of one vector's neighbours that are found.
async fn one(
    ai: &AiDb,
    table: &str,
    place: Place,
    dimensions: u32,
    (width, rows): (u32, u64),
    query: &str,
) -> Result<f64> {
    let (column, kind) = (place.column(), type_of(dimensions));
    let ai = ai.begin_worker().await?;
    // A small table would be read whole: what is asked here is what its index would find.
    let settings = format!(
        "SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL hnsw.ef_search = {width}; SET LOCAL statement_timeout = 0"
    );
    ai.execute_unprepared(&settings).await?;
    let mut found: Vec<Vec<f64>> = Vec::new();
    // An expression that is not the index's own operator cannot be answered by it.
    for order in ["distance", "distance_exact"] {
        let sql = format!(
            "SELECT distance FROM (SELECT {column} <=> $1::{kind} AS distance FROM {table}
                WHERE {column} IS NOT NULL ORDER BY {} LIMIT {rows}) AS nearest ORDER BY distance + 0.0 LIMIT {NEIGHBOURS}",
            if order == "distance" {
                format!("{column} <=> $1::{kind}")
            } else {
                format!("({column} <=> $1::{kind}) + 0.0::float8")
            }
        );
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [query.into()]);
        let rows = Near::find_by_statement(statement).all(&ai).await?;
        found.push(rows.into_iter().map(|near| near.distance).collect());
    }
    let (exact, by_index) = (&found[1], &found[0]);
    let Some(last) = exact.last() else { return Ok(1.0) };
    let hits = by_index.iter().filter(|distance| **distance <= last + EQUAL).count();
    #[expect(clippy::cast_precision_loss, reason = "at most ten")]
    Ok(hits.min(exact.len()) as f64 / exact.len() as f64)
}
