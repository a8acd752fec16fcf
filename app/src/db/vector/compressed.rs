//! Reading an index that orders by compressed vectors.
//!
//! `DiskANN` keeps a few bits of every dimension, and what it brings comes in the
//! order of these, apart from a short buffer. So more rows than wanted are read,
//! and the nearest of them are taken by their true distance, which the same
//! statement computes from the table (docs/scaling.md has what that costs and finds).

use sea_orm::sea_query::{Alias, Expr, ExprTrait, Order, Query, SelectStatement};

use super::{DISTANCE, Nearest, distance, embedded, joined};

/// So many times the rows that are wanted are read, and at least so many.
const TIMES: u64 = 4;
const ROWS_MIN: u64 = 100;

/// How many rows are read for so many wanted.
pub(in crate::db) fn rows_for(wanted: u64) -> u64 {
    Ord::max(wanted.saturating_mul(TIMES), ROWS_MIN)
}

/// Narrow columns of everything that is read.
pub(super) fn read(search: &Nearest<'_>) -> SelectStatement {
    let mut select = Query::select();
    for column in search.columns {
        select.column(Alias::new(*column));
    }
    select
        .expr_as(distance(search), DISTANCE)
        .from(search.table)
        .cond_where(embedded(search))
        .order_by_expr(Expr::col(DISTANCE), Order::Asc)
        .limit(rows_for(search.limit))
        .to_owned()
}

/// Wide columns of the nearest of what is read. Postgres takes what an index brings for
/// ordered, so the second order is by another expression.
pub(super) fn nearest(search: &Nearest<'_>) -> SelectStatement {
    let narrow = Nearest { columns: &["id"], related: &[], ..search.clone() };
    let winners = Query::select()
        .columns(["id", DISTANCE])
        .from_subquery(read(&narrow), "found")
        .order_by_expr(Expr::col(DISTANCE).add(0.0_f64), Order::Asc)
        .limit(search.limit)
        .to_owned();
    joined(search, winners)
}
