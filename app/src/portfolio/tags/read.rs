//! Found and listed, with how many positions have each.

use std::collections::HashMap;

use entity::core::position_tag;
use entity::core::tag::{Column, Entity, Model};
use entity::ids::{TagId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Statement};
use uuid::Uuid;

use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::portfolio::positions::{self, Known as Lot};
use crate::web::{Cursor, Page, PageQuery};

/// A tag with how many positions have it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) row: Model,
    pub(crate) positions: i64,
}

/// Which tags.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter {
    /// None: those in use and archived ones.
    pub(crate) is_archived: Option<bool>,
}

/// A tag of the user's.
pub(crate) async fn find(core: &impl CoreConn, user: UserId, id: TagId) -> Result<Known> {
    let row = own(user).filter(Column::Id.eq(id)).one(core).await?.ok_or(Error::NotFound("tag"))?;
    let positions = counted(core, vec![id]).await?.remove(&id).unwrap_or_default();
    Ok(Known { row, positions })
}

/// A page of the user's tags, the newest first.
pub(crate) async fn list(
    core: &impl CoreConn,
    user: UserId,
    filter: Filter,
    page: &PageQuery,
) -> Result<Page<Known>> {
    let mut query =
        own(user).order_by_desc(Column::CreatedAt).order_by_desc(Column::Id).limit(page.limit + 1);
    query = match filter.is_archived {
        Some(true) => query.filter(Column::ArchivedAt.is_not_null()),
        Some(false) => query.filter(Column::ArchivedAt.is_null()),
        None => query,
    };
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let known = with_counts(core, query.all(core).await?).await?;
    let place = |known: &Known| Cursor { at: known.row.created_at, id: known.row.id.0 };
    Ok(Page::of(known, page.limit, place, |known| known))
}

/// A page of the positions that have a tag of the user's, the newest first.
pub(crate) async fn positions(
    core: &impl CoreConn,
    user: UserId,
    id: TagId,
    page: &PageQuery,
) -> Result<Page<Lot>> {
    find(core, user, id).await?;
    let mut tagged = Query::select();
    tagged
        .column(position_tag::Column::PositionId)
        .from(position_tag::Entity)
        .and_where(Expr::col(position_tag::Column::TagId).eq(id));
    let query = positions::owned(user).filter(entity::core::position::Column::Id.in_subquery(tagged));
    positions::page_of(core, query, page).await
}

pub(super) fn own(user: UserId) -> Select<Entity> {
    Entity::find().filter(Column::UserId.eq(user))
}

/// Tags with their counts, with one query more.
pub(super) async fn with_counts(core: &impl CoreConn, rows: Vec<Model>) -> Result<Vec<Known>> {
    let counts = counted(core, rows.iter().map(|row| row.id).collect()).await?;
    let known = rows.into_iter().map(|row| {
        let positions = counts.get(&row.id).copied().unwrap_or_default();
        Known { row, positions }
    });
    Ok(known.collect())
}

/// Positions that have these tags; neither they nor their portfolios are deleted.
async fn counted(core: &impl CoreConn, ids: Vec<TagId>) -> Result<HashMap<TagId, i64>> {
    let ids: Vec<Uuid> = ids.into_iter().map(Uuid::from).collect();
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT tag_id, count(*) AS positions
           FROM position_tags
           JOIN positions ON positions.id = position_id AND positions.deleted_at IS NULL
           JOIN portfolios ON portfolios.id = portfolio_id AND portfolios.deleted_at IS NULL
          WHERE tag_id = ANY($1) GROUP BY tag_id",
        [ids.into()],
    );
    let rows = core.query_all_raw(statement).await?;
    rows.iter().map(|row| Ok((TagId(row.try_get("", "tag_id")?), row.try_get("", "positions")?))).collect()
}
