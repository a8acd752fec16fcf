//! What is near, without what it says: for those who order it anew.

use std::collections::HashSet;

use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use uuid::Uuid;

use super::{DISTANCE, Nearest, among, compared, compressed, distance, is_small, name_of, threshold, walked};
use crate::db::handle::AiConn;
use crate::error::Result;

/// Rows that are walked through at least: what words or labels may lift is further down than the first few.
const ROWS_MIN: u64 = 100;

/// Rows walked through for each group wanted, before everything is compared.
const WIDENINGS: [u64; 3] = [1, 4, 32];

/// A row, its group and its cosine distance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Near {
    /// The row.
    pub id: Uuid,
    /// What it belongs to.
    pub group: Uuid,
    /// Cosine distance, 0 to 2.
    pub distance: f64,
}

/// The nearest rows, nearest first: at least `limit`, of at least `groups` groups (rows
/// with the same value in the column `group`). There are fewer only if fewer exist. All
/// of them where few pass the filter.
pub async fn page(
    ai: &impl AiConn,
    search: &Nearest<'_>,
    group: &'static str,
    groups: u64,
) -> Result<Vec<Near>> {
    if is_small(ai, search).await? {
        return every(ai, search, group).await;
    }
    let columns = ["id", group];
    for factor in WIDENINGS {
        let limit = Ord::max(Ord::max(search.limit, groups * factor), ROWS_MIN);
        let narrow = Nearest { columns: &columns, related: &[], limit, ..search.clone() };
        let select = if search.is_compressed { compressed::read(&narrow) } else { walked(&narrow) };
        let mut found = read(ai, &select).await?;
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        let different: HashSet<Uuid> = found.iter().map(|near| near.group).collect();
        if found.len() as u64 >= search.limit && different.len() as u64 >= groups {
            return Ok(found);
        }
        if (found.len() as u64) < limit {
            // The walk ended: more of it would bring nothing.
            break;
        }
    }
    search.large.forget(&name_of(search));
    let exact = if groups == 0 { nearest_of_all(search, group) } else { of_each(search, group, groups) };
    read(ai, &exact).await
}

/// All rows that pass a filter which lets few pass.
pub async fn every(ai: &impl AiConn, search: &Nearest<'_>, group: &'static str) -> Result<Vec<Near>> {
    let bounded = all(search, group).limit(threshold(search)).to_owned();
    read(ai, &bounded).await
}

/// The distances of these rows, of those that pass the filter.
pub async fn distances(
    ai: &impl AiConn,
    search: &Nearest<'_>,
    group: &'static str,
    ids: Vec<Uuid>,
) -> Result<Vec<Near>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let select = all(search, group).and_where(among(ids)).to_owned();
    read(ai, &select).await
}

/// Every passing row.
fn all(search: &Nearest<'_>, group: &'static str) -> SelectStatement {
    Query::select()
        .columns(["id", group])
        .expr_as(distance(search), DISTANCE)
        .from(search.table)
        .cond_where(compared(search))
        .to_owned()
}

/// The nearest of every passing row.
fn nearest_of_all(search: &Nearest<'_>, group: &'static str) -> SelectStatement {
    all(search, group).order_by_expr(distance(search).add(0.0_f64), Order::Asc).limit(search.limit).to_owned()
}

/// The nearest row of every group, all passing rows compared.
fn of_each(search: &Nearest<'_>, group: &'static str, groups: u64) -> SelectStatement {
    let best = Query::select()
        .distinct_on([group])
        .columns(["id", group])
        .expr_as(distance(search), DISTANCE)
        .from(search.table)
        .cond_where(compared(search))
        .order_by(group, Order::Asc)
        .order_by_expr(Expr::col(DISTANCE), Order::Asc)
        .to_owned();
    Query::select()
        .columns(["id", group, DISTANCE])
        .from_subquery(best, "best")
        .order_by(DISTANCE, Order::Asc)
        .limit(groups)
        .to_owned()
}

/// Selects id, group and distance, in this order.
async fn read(ai: &impl AiConn, select: &SelectStatement) -> Result<Vec<Near>> {
    let mut found: Vec<Near> = ai
        .query_all(select)
        .await?
        .iter()
        .map(|row| {
            let (id, group, distance) = row.try_get_many_by_index()?;
            Ok(Near { id, group, distance })
        })
        .collect::<Result<_>>()?;
    found.sort_by(|a, b| a.distance.total_cmp(&b.distance));
    Ok(found)
}
