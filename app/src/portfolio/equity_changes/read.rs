//! Found and listed.

use chrono::NaiveDate;
use entity::core::equity_change::{Column, Entity, Model};
use entity::core::portfolio;
use entity::ids::{EquityChangeId, PortfolioId, UserId};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::CHANGES_MAX;
use crate::db::CoreConn;
use crate::error::{Error, Result};
use crate::portfolio::find_owned;
use crate::portfolio::positions::midnight;
use crate::web::{Cursor, Page, PageQuery};

/// Which of them, by their day; both ends belong to it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Filter {
    pub(crate) from: Option<NaiveDate>,
    pub(crate) to: Option<NaiveDate>,
}

/// One of a portfolio of the user's.
pub(crate) async fn find(
    core: &impl CoreConn,
    user: UserId,
    portfolio: PortfolioId,
    id: EquityChangeId,
) -> Result<Model> {
    find_owned(core, user, portfolio).await?;
    require(core, portfolio, id).await
}

/// One of a portfolio that was found to be the user's.
pub(super) async fn require(
    core: &impl CoreConn,
    portfolio: PortfolioId,
    id: EquityChangeId,
) -> Result<Model> {
    of(portfolio).filter(Column::Id.eq(id)).one(core).await?.ok_or(Error::NotFound("equity change"))
}

/// A page of a portfolio's, the latest day first.
pub(crate) async fn list(
    core: &impl CoreConn,
    user: UserId,
    portfolio: PortfolioId,
    filter: Filter,
    page: &PageQuery,
) -> Result<Page<Model>> {
    find_owned(core, user, portfolio).await?;
    let mut query = within(portfolio, filter).limit(page.limit + 1);
    if let Some(cursor) = page.cursor {
        let row = Expr::tuple([Expr::col(Column::ChangeDate), Expr::col(Column::Id)]);
        let last = Expr::tuple([Expr::val(cursor.at.date_naive()), Expr::val(cursor.id)]);
        query = query.filter(row.lt(last));
    }
    let place = |row: &Model| Cursor { at: midnight(row.change_date), id: row.id.0 };
    Ok(Page::of(query.all(core).await?, page.limit, place, |row| row))
}

/// All of a portfolio's, the latest day first, with the portfolio.
pub(crate) async fn all(
    core: &impl CoreConn,
    user: UserId,
    portfolio: PortfolioId,
    filter: Filter,
) -> Result<(portfolio::Model, Vec<Model>)> {
    let owner = find_owned(core, user, portfolio).await?;
    Ok((owner, within(portfolio, filter).limit(CHANGES_MAX).all(core).await?))
}

/// Those of a portfolio that are not deleted.
pub(super) fn of(portfolio: PortfolioId) -> Select<Entity> {
    Entity::find().filter(Column::PortfolioId.eq(portfolio)).filter(Column::DeletedAt.is_null())
}

fn within(portfolio: PortfolioId, filter: Filter) -> Select<Entity> {
    let mut query = of(portfolio).order_by_desc(Column::ChangeDate).order_by_desc(Column::Id);
    if let Some(from) = filter.from {
        query = query.filter(Column::ChangeDate.gte(from));
    }
    if let Some(to) = filter.to {
        query = query.filter(Column::ChangeDate.lte(to));
    }
    query
}
