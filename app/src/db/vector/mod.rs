//! Nearest neighbours under a filter, for every table with an embedding.
//!
//! An HNSW index looks at neighbours first and filters afterwards, so a
//! selective filter starves it. Two plans, chosen by how many rows pass:
//! few are compared exactly (recall 1), many are walked through the index,
//! which goes on until the page is full; and a page that is still short is
//! asked for again exactly. `under_filled` therefore means: there are no more.
//! That many rows pass is remembered for a moment ([`LargeFilters`]).

mod compressed;
mod page;

pub(super) use compressed::rows_for;
pub use page::{Near, distances, every, page};

use pgvector::Vector;
use sea_orm::sea_query::extension::postgres::{PgBinOper, PgFunc};
use sea_orm::sea_query::{
    Alias, Condition, Expr, ExprTrait, IntoIden, Order, PostgresQueryBuilder, Query, SelectStatement,
};
use sea_orm::{DbBackend, FromQueryResult, QueryResult, StatementBuilder};

use uuid::Uuid;

use super::handle::AiConn;
use super::large::LargeFilters;
use crate::error::Result;

/// What to search.
#[derive(Clone, Debug)]
pub struct Nearest<'a> {
    /// A table with `id` and `embedding`.
    pub table: &'static str,
    /// Columns to return beside the distance.
    pub columns: &'a [&'static str],
    /// Names and sub-selects of what is returned from other tables; evaluated for the rows found only.
    pub related: &'a [(&'static str, &'static str)],
    /// Which rows may be found. Always holds the audience.
    pub filter: Condition,
    /// What follows from `filter` and is found by an index; for where few rows pass.
    pub by_index: Option<Condition>,
    /// What to be near to, of the active space's length.
    pub vector: Vec<f32>,
    /// Rows wanted.
    pub limit: u64,
    /// Filtered sets smaller than this are searched exactly.
    pub exact_below: u32,
    /// What is known about filters.
    pub large: &'a LargeFilters,
    /// Whether the index orders by compressed vectors, so that more is read than is wanted.
    pub is_compressed: bool,
}

/// A row with its cosine distance.
#[derive(Debug)]
pub struct Neighbour<R> {
    /// The row.
    pub row: R,
    /// Cosine distance, 0 to 2.
    pub distance: f64,
}

impl<R> Neighbour<R> {
    /// Cosine similarity, -1 to 1.
    pub fn similarity(&self) -> f64 {
        1.0 - self.distance
    }
}

/// What was found, nearest first.
#[derive(Debug)]
pub struct Found<R> {
    /// The rows.
    pub neighbours: Vec<Neighbour<R>>,
    /// Fewer rows than wanted pass the filter.
    pub under_filled: bool,
}

const DISTANCE: &str = "distance";

/// Finds the nearest rows that pass the filter.
pub async fn nearest<R: FromQueryResult>(ai: &impl AiConn, search: &Nearest<'_>) -> Result<Found<R>> {
    let wanted = usize::try_from(search.limit).unwrap_or(usize::MAX);
    if !is_small(ai, search).await? {
        let found = run::<R>(ai, &by_index(search)).await?;
        if found.len() >= wanted {
            return Ok(Found { neighbours: found, under_filled: false });
        }
        search.large.forget(&name_of(search));
    }
    let found = run::<R>(ai, &exact(search)).await?;
    Ok(Found { under_filled: found.len() < wanted, neighbours: found })
}

/// How Postgres would walk through the index, in its own words.
pub async fn explain(ai: &impl AiConn, search: &Nearest<'_>) -> Result<String> {
    let select = by_index(search);
    let mut statement = StatementBuilder::build(&select, &DbBackend::Postgres);
    statement.sql.insert_str(0, "EXPLAIN ");
    let lines: Vec<String> = ai
        .query_all_raw(statement)
        .await?
        .iter()
        .map(|line| line.try_get_by_index(0))
        .collect::<Result<_, _>>()?;
    Ok(lines.join("\n"))
}

/// Rows by id, nearest first; the filter stays in force.
pub async fn by_id<R: FromQueryResult>(
    ai: &impl AiConn,
    search: &Nearest<'_>,
    ids: Vec<Uuid>,
) -> Result<Vec<Neighbour<R>>> {
    run(ai, &selection(search).and_where(among(ids)).to_owned()).await
}

/// The rows with these ids: one statement, however many there are.
pub fn among(ids: Vec<Uuid>) -> Expr {
    Expr::col("id").eq(PgFunc::any(ids))
}

/// Sets with fewer rows are small (see [`is_small`]).
pub fn threshold(search: &Nearest<'_>) -> u64 {
    Ord::max(u64::from(search.exact_below), search.limit)
}

/// What a filter is remembered by.
fn name_of(search: &Nearest<'_>) -> String {
    Query::select()
        .expr(Expr::val(threshold(search)))
        .from(search.table)
        .cond_where(search.filter.clone())
        .to_string(PostgresQueryBuilder)
}

/// The wide columns of rows that pass a filter.
pub async fn rows<R: FromQueryResult>(
    ai: &impl AiConn,
    search: &Nearest<'_>,
    filter: Condition,
) -> Result<Vec<R>> {
    let select = wide(search).from(search.table).cond_where(filter).to_owned();
    let rows = ai.query_all(&select).await?;
    Ok(rows.iter().map(|row| R::from_query_result(row, "")).collect::<Result<_, _>>()?)
}

/// Whether so few rows pass that all of them are looked at. Counts no further than
/// the threshold, so the cost is bounded.
pub async fn is_small(ai: &impl AiConn, search: &Nearest<'_>) -> Result<bool> {
    let name = name_of(search);
    if search.large.holds(&name) {
        return Ok(false);
    }
    let threshold = threshold(search);
    let passing = Query::select()
        .expr(Expr::val(1))
        .from(search.table)
        .cond_where(search.compared())
        .limit(threshold)
        .to_owned();
    let count = Query::select()
        .expr_as(Expr::cust("count(*)"), "passing")
        .from_subquery(passing, Alias::new("bounded"))
        .to_owned();
    let passing: i64 = match ai.query_one(&count).await? {
        Some(row) => row.try_get("", "passing")?,
        None => 0,
    };
    let is_small = passing.unsigned_abs() < threshold;
    if !is_small {
        search.large.remember(name);
    }
    Ok(is_small)
}

fn by_index(search: &Nearest<'_>) -> SelectStatement {
    if search.is_compressed { compressed::nearest(search) } else { walked(search) }
}

/// In the index's order; the alias is what lets Postgres use it.
fn walked(search: &Nearest<'_>) -> SelectStatement {
    selection(search).order_by_expr(Expr::col(DISTANCE), Order::Asc).to_owned()
}

/// Every passing row is compared: an expression that is not the index's own
/// operator cannot be answered by it. Only ids are sorted; the wide columns
/// are fetched for the winners.
fn exact(search: &Nearest<'_>) -> SelectStatement {
    let winners = Query::select()
        .column("id")
        .expr_as(distance(search), DISTANCE)
        .from(search.table)
        .cond_where(compared(search))
        .order_by_expr(distance(search).add(0.0_f64), Order::Asc)
        .limit(search.limit)
        .to_owned();
    joined(search, winners)
}

/// The wide columns of winners, which are pairs of id and distance.
fn joined(search: &Nearest<'_>, winners: SelectStatement) -> SelectStatement {
    let table = Alias::new(search.table);
    let winner = Alias::new("winner");
    let mut select = Query::select();
    for column in search.columns {
        select.column((table.clone(), Alias::new(*column)));
    }
    for (name, sub_select) in search.related {
        select.expr_as(Expr::cust(*sub_select), *name);
    }
    select
        .column((winner.clone(), Alias::new(DISTANCE)))
        .from_subquery(winners, winner.clone())
        .inner_join(
            table.clone(),
            Expr::col((table.clone(), Alias::new("id"))).equals((winner.clone(), Alias::new("id"))),
        )
        .to_owned()
}

fn wide(search: &Nearest<'_>) -> SelectStatement {
    let mut select = Query::select();
    select.columns(search.columns.iter().map(|column| (*column).into_iden()));
    for (name, sub_select) in search.related {
        select.expr_as(Expr::cust(*sub_select), *name);
    }
    select
}

fn selection(search: &Nearest<'_>) -> SelectStatement {
    wide(search)
        .expr_as(distance(search), DISTANCE)
        .from(search.table)
        .cond_where(embedded(search))
        .limit(search.limit)
        .to_owned()
}

impl Nearest<'_> {
    /// The filter for statements that read every row that passes.
    pub fn compared(&self) -> Condition {
        self.by_index.iter().cloned().fold(self.filter.clone(), Condition::add)
    }
}

/// As [`embedded`], for statements that read every row that passes.
fn compared(search: &Nearest<'_>) -> Condition {
    Condition::all().add(search.compared()).add(Expr::col("embedding").is_not_null())
}

fn embedded(search: &Nearest<'_>) -> Condition {
    Condition::all().add(search.filter.clone()).add(Expr::col("embedding").is_not_null())
}

fn distance(search: &Nearest<'_>) -> Expr {
    let vector = Expr::val(Vector::from(search.vector.clone()));
    Expr::col("embedding").binary(PgBinOper::CosineDistance, vector)
}

async fn run<R: FromQueryResult>(ai: &impl AiConn, statement: &SelectStatement) -> Result<Vec<Neighbour<R>>> {
    let rows: Vec<QueryResult> = ai.query_all(statement).await?;
    let mut found = rows
        .iter()
        .map(|row| {
            Ok(Neighbour { row: R::from_query_result(row, "")?, distance: row.try_get("", DISTANCE)? })
        })
        .collect::<Result<Vec<_>>>()?;
    found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    Ok(found)
}
