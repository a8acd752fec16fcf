//! Target prices, found by their owner.

use entity::core::target_price::{Column, Entity, Model};
use entity::core::{portfolio, position};
use entity::ids::{PortfolioId, PositionId, TargetPriceId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::web::{Cursor, Page, PageQuery};

/// Target prices of a portfolio, so that its summary and its export are bounded.
pub(super) const TARGETS_MAX: u64 = 2000;

/// Those of the user's portfolios.
fn owned(user: UserId) -> Select<Entity> {
    let mut portfolios = Query::select();
    portfolios
        .column(portfolio::Column::Id)
        .from(portfolio::Entity)
        .and_where(Expr::col(portfolio::Column::UserId).eq(user))
        .and_where(Expr::col(portfolio::Column::DeletedAt).is_null());
    Entity::find().filter(Column::PortfolioId.in_subquery(portfolios))
}

/// One of the user's.
pub(super) async fn find(core: &impl CoreConn, user: UserId, id: TargetPriceId) -> Result<Model> {
    owned(user).filter(Column::Id.eq(id)).one(core).await?.ok_or(Error::NotFound("target price"))
}

/// A page of a portfolio's, newest first. The caller has made sure that it may be read.
pub(super) async fn list(
    core: &impl CoreConn,
    portfolio: PortfolioId,
    symbol: Option<&str>,
    page: &PageQuery,
) -> Result<Page<Model>> {
    let mut query = Entity::find()
        .filter(Column::PortfolioId.eq(portfolio))
        .order_by_desc(Column::CreatedAt)
        .order_by_desc(Column::Id)
        .limit(page.limit + 1);
    if let Some(symbol) = symbol {
        query = query.filter(Column::Symbol.eq(symbol));
    }
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(Column::CreatedAt), Expr::col(Column::Id)]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let place = |row: &Model| Cursor { at: row.created_at, id: row.id.0 };
    Ok(Page::of(query.all(core).await?, page.limit, place, |row| row))
}

/// All of a portfolio, by symbol.
pub(super) async fn all(core: &impl CoreConn, portfolio: PortfolioId) -> Result<Vec<Model>> {
    let rows = Entity::find()
        .filter(Column::PortfolioId.eq(portfolio))
        .order_by_asc(Column::Symbol)
        .order_by_asc(Column::Id)
        .limit(TARGETS_MAX);
    Ok(rows.all(core).await?)
}

/// The symbols of a portfolio's lots, by id.
pub(super) async fn lots(
    core: &impl CoreConn,
    portfolio: PortfolioId,
    ids: Vec<PositionId>,
) -> Result<Vec<(PositionId, String)>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rows = position::Entity::find()
        .select_only()
        .column(position::Column::Id)
        .column(position::Column::Symbol)
        .filter(position::Column::PortfolioId.eq(portfolio))
        .filter(position::Column::DeletedAt.is_null())
        .filter(position::Column::Id.is_in(ids));
    Ok(rows.into_tuple().all(core).await?)
}
