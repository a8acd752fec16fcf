//! Lots, found by their owner. Every list is read with as many queries as a single one.

use entity::core::{portfolio, position, position_realized_event as event};
use entity::ids::{PortfolioId, PositionId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::splits::Splits;
use crate::db::{CoreConn, CoreTx};
use crate::error::{Error, Result};
use crate::portfolio::{day, lock_owned};
use crate::web::{Cursor, Page, PageQuery};

/// A lot with what its row does not say.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) row: position::Model,
    /// What a unit of its entry is today.
    pub(crate) split_factor: Decimal,
    /// The oldest first; none in lists.
    pub(crate) closes: Option<Vec<event::Model>>,
}

/// Which lots.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) portfolio: Option<PortfolioId>,
    pub(crate) symbol: Option<String>,
    /// Open ones, or closed ones.
    pub(crate) is_open: Option<bool>,
}

/// The lots of the user's portfolios that are not deleted.
pub(crate) fn owned(user: UserId) -> Select<position::Entity> {
    let mut portfolios = Query::select();
    portfolios
        .column(portfolio::Column::Id)
        .from(portfolio::Entity)
        .and_where(Expr::col(portfolio::Column::UserId).eq(user))
        .and_where(Expr::col(portfolio::Column::DeletedAt).is_null());
    position::Entity::find()
        .filter(position::Column::PortfolioId.in_subquery(portfolios))
        .filter(position::Column::DeletedAt.is_null())
}

/// A lot of the user's.
pub(crate) async fn find(core: &impl CoreConn, user: UserId, id: PositionId) -> Result<Known> {
    let row = require(core, user, id).await?;
    let closes = closes(core, vec![id]).await?;
    let mut known = with_splits(core, vec![row]).await?;
    let known = known.pop().ok_or(Error::NotFound("position"))?;
    Ok(Known { closes: Some(closes), ..known })
}

/// The row of the same.
pub(crate) async fn require(core: &impl CoreConn, user: UserId, id: PositionId) -> Result<position::Model> {
    owned(user).filter(position::Column::Id.eq(id)).one(core).await?.ok_or(Error::NotFound("position"))
}

/// A lot of the user's and its portfolio, which stays locked until the transaction ends.
pub(crate) async fn find_locked(
    tx: &CoreTx,
    user: UserId,
    id: PositionId,
) -> Result<(portfolio::Model, position::Model)> {
    let found = require(tx, user, id).await?;
    let portfolio = lock_owned(tx, user, found.portfolio_id).await?;
    // Somebody may have changed it before the lock was had.
    Ok((portfolio, require(tx, user, id).await?))
}

/// A page of the user's lots, the newest first.
pub(crate) async fn list(
    core: &impl CoreConn,
    user: UserId,
    filter: &Filter,
    page: &PageQuery,
) -> Result<Page<Known>> {
    let mut query = owned(user);
    if let Some(portfolio) = filter.portfolio {
        query = query.filter(position::Column::PortfolioId.eq(portfolio));
    }
    if let Some(symbol) = &filter.symbol {
        query = query.filter(position::Column::Symbol.eq(symbol.as_str()));
    }
    query = match filter.is_open {
        Some(true) => query.filter(position::Column::ExitDate.is_null()),
        Some(false) => query.filter(position::Column::ExitDate.is_not_null()),
        None => query,
    };
    page_of(core, query, page).await
}

/// A page of some lots, the newest first.
pub(crate) async fn page_of(
    core: &impl CoreConn,
    query: Select<position::Entity>,
    page: &PageQuery,
) -> Result<Page<Known>> {
    let mut query = query
        .order_by_desc(position::Column::CreatedAt)
        .order_by_desc(position::Column::Id)
        .limit(page.limit + 1);
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([
            Expr::col((position::Entity, position::Column::CreatedAt)),
            Expr::col((position::Entity, position::Column::Id)),
        ]);
        query = query.filter(row.lt(Expr::tuple([Expr::val(cursor.at), Expr::val(cursor.id)])));
    }
    let known = with_splits(core, query.all(core).await?).await?;
    let place = |known: &Known| Cursor { at: known.row.created_at, id: known.row.id.0 };
    Ok(Page::of(known, page.limit, place, |known| known))
}

/// The closes of some lots, the oldest first.
pub(super) async fn closes(core: &impl CoreConn, ids: Vec<PositionId>) -> Result<Vec<event::Model>> {
    Ok(event::Entity::find()
        .filter(event::Column::PositionId.is_in(ids))
        .order_by_asc(event::Column::TradeDate)
        .order_by_asc(event::Column::CreatedAt)
        .order_by_asc(event::Column::Id)
        .all(core)
        .await?)
}

/// What each has become by today.
pub(crate) async fn with_splits(core: &impl CoreConn, rows: Vec<position::Model>) -> Result<Vec<Known>> {
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let splits = Splits::load(core, rows.iter().map(|row| row.symbol.as_str())).await?;
    let today = day::today(core).await?;
    let known = rows.into_iter().map(|row| {
        let split_factor = splits.between(&row.symbol, row.entry_date, today);
        Known { row, split_factor, closes: None }
    });
    Ok(known.collect())
}
