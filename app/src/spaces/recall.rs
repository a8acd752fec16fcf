//! How many of the true neighbours live searches find, by how selective they are.

use sea_orm::sea_query::{Condition, Expr, ExprTrait};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};
use serde::Serialize;
use uuid::Uuid;

use crate::db::AiDb;
use crate::db::space::{TABLES, ef_search};
use crate::db::vector::{Nearest, nearest};
use crate::error::Result;
use crate::state::AppState;

/// Neighbours that are compared.
const NEIGHBOURS: u64 = 10;
/// Distances closer than this are one.
const EQUAL: f64 = 1e-6;
/// The shares of the rows that filters let pass; half an order around each counts.
const CLASSES: [(&str, f64); 4] = [("unfiltered", 1.0), ("10 %", 0.1), ("1 %", 0.01), ("0.1 %", 0.001)];

/// What searches of one class find.
#[derive(Clone, Debug, Serialize)]
pub struct Class {
    /// The table.
    pub table: &'static str,
    /// How much a filter lets pass.
    pub class: &'static str,
    /// Searches; none where no audience and scope has this share of the rows.
    pub samples: usize,
    /// Share of the true neighbours that were found.
    pub recall: Option<f64>,
}

/// Rows of one audience and scope.
#[derive(Clone, Debug, FromQueryResult)]
struct Group {
    audience: Uuid,
    scope: String,
    rows: i64,
}

/// Searches for the vectors of live rows, as requests do, and compares with exact search.
pub async fn recall(state: &AppState, samples: u32) -> Result<Vec<Class>> {
    let mut classes = Vec::new();
    for table in TABLES {
        let groups = groups(&state.ai, table).await?;
        let all: i64 = groups.iter().map(|group| group.rows).sum();
        for (class, share) in CLASSES {
            let fits: Vec<Option<&Group>> = if share >= 1.0 {
                vec![None; usize::from(all > 0)]
            } else {
                groups.iter().filter(|group| is_about(group.rows, all, share)).take(20).map(Some).collect()
            };
            classes.push(measured(state, table, class, &fits, samples).await?);
        }
    }
    Ok(classes)
}

#[expect(clippy::cast_precision_loss, reason = "a share, roughly")]
fn is_about(rows: i64, all: i64, share: f64) -> bool {
    let found = rows as f64 / all as f64;
    found > share / 3.16 && found <= share * 3.16
}

async fn groups(ai: &AiDb, table: &str) -> Result<Vec<Group>> {
    let sql = format!(
        "SELECT audience, scope, count(*) AS rows FROM {table} GROUP BY audience, scope ORDER BY rows DESC LIMIT 10000"
    );
    let statement = Statement::from_string(DbBackend::Postgres, sql);
    Ok(Group::find_by_statement(statement).all(&ai.begin_worker().await?).await?)
}

async fn measured(
    state: &AppState,
    table: &'static str,
    class: &'static str,
    groups: &[Option<&Group>],
    samples: u32,
) -> Result<Class> {
    let (mut sum, mut count) = (0.0, 0_usize);
    for group in groups {
        let each = (samples as usize).div_ceil(groups.len());
        for query in queries(&state.ai, table, *group, each).await? {
            sum += one(state, table, *group, query).await?;
            count += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let recall = (count > 0).then(|| sum / count as f64);
    Ok(Class { table, class, samples: count, recall })
}

/// The rows a filter lets pass, in SQL; ids hold nothing that could end the literal.
fn filter(group: Option<&Group>) -> (String, Vec<sea_orm::Value>) {
    match group {
        None => ("embedding IS NOT NULL".to_owned(), Vec::new()),
        Some(group) => (
            "embedding IS NOT NULL AND audience = $1 AND scope = $2".to_owned(),
            vec![group.audience.into(), group.scope.clone().into()],
        ),
    }
}

async fn queries(ai: &AiDb, table: &str, group: Option<&Group>, samples: usize) -> Result<Vec<Vec<f32>>> {
    let (filter, values) = filter(group);
    let sql = format!(
        "SELECT embedding::real[] AS vector FROM {table} WHERE {filter} ORDER BY random() LIMIT {samples}"
    );
    let ai = ai.begin_worker().await?;
    let rows = ai.query_all_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
    rows.iter().map(|row| Ok(row.try_get("", "vector")?)).collect()
}

#[derive(Debug, FromQueryResult)]
struct Near {
    distance: f64,
}

#[derive(Debug, FromQueryResult)]
struct Hit {
    #[expect(dead_code, reason = "every search asks for it")]
    id: Uuid,
}

async fn one(state: &AppState, table: &'static str, group: Option<&Group>, query: Vec<f32>) -> Result<f64> {
    let ai = state.ai.begin_worker().await?;
    let width = ef_search(table, &state.settings);
    ai.execute_unprepared(&format!("SET LOCAL hnsw.ef_search = {width}; SET LOCAL statement_timeout = 0"))
        .await?;
    let (sql_filter, mut values) = filter(group);
    let place = values.len() + 1;
    values.push(pgvector::Vector::from(query.clone()).into());
    let sql = format!(
        "SELECT (embedding <=> ${place}) + 0.0::float8 AS distance FROM {table} WHERE {sql_filter} ORDER BY distance LIMIT {NEIGHBOURS}"
    );
    let exact = Near::find_by_statement(Statement::from_sql_and_values(DbBackend::Postgres, sql, values))
        .all(&ai)
        .await?;
    let Some(last) = exact.last() else { return Ok(1.0) };
    let condition = match group {
        None => Condition::all(),
        Some(group) => Condition::all()
            .add(Expr::col("audience").eq(group.audience))
            .add(Expr::col("scope").eq(group.scope.as_str())),
    };
    let search = Nearest {
        table,
        columns: &["id"],
        related: &[],
        filter: condition,
        by_index: None,
        vector: query,
        limit: NEIGHBOURS,
        exact_below: state.settings.knowledge.exact_below_rows,
        large: &state.large_filters,
        is_compressed: state.engine.is_compressed(),
    };
    let found = nearest::<Hit>(&ai, &search).await?;
    let hits = found.neighbours.iter().filter(|hit| hit.distance <= last.distance + EQUAL).count();
    #[expect(clippy::cast_precision_loss, reason = "at most ten")]
    Ok(hits.min(exact.len()) as f64 / exact.len() as f64)
}
