//! What owners say a lot is worth: for what has no market.

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use entity::core::position_valuation::{Column, Entity, Model};
use entity::ids::{PositionId, UserId};
use sea_orm::prelude::Decimal;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};

use super::read::{find_locked, require};
use crate::db::{CoreConn, CoreDb};
use crate::error::{Error, Result};
use crate::portfolio::{changed, day};
use crate::web::{Cursor, Page, PageQuery};

/// Valuations of a lot.
const VALUATIONS_MAX: u64 = 10_000;

/// A page of a lot's valuations, the newest first.
pub(crate) async fn list(
    core: &impl CoreConn,
    user: UserId,
    id: PositionId,
    page: &PageQuery,
) -> Result<Page<Model>> {
    require(core, user, id).await?;
    let mut query = Entity::find().filter(Column::PositionId.eq(id));
    if let Some(cursor) = page.cursor {
        query = query.filter(Column::ValuationDate.lt(cursor.at.date_naive()));
    }
    let rows = query.order_by_desc(Column::ValuationDate).limit(page.limit + 1).all(core).await?;
    let place = |row: &Model| Cursor { at: midnight(row.valuation_date), id: row.position_id.0 };
    Ok(Page::of(rows, page.limit, place, |row| row))
}

/// The beginning of a day, as lists by day have it in their cursors.
pub(crate) fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

/// Says what a unit of a lot is worth from a day on, or takes that back. 404 for what is not there.
pub(crate) async fn put(
    core: &CoreDb,
    user: UserId,
    id: PositionId,
    valuation_date: NaiveDate,
    price: Option<Decimal>,
) -> Result<()> {
    let tx = core.begin().await?;
    let (portfolio, row) = find_locked(&tx, user, id).await?;
    if valuation_date < row.entry_date {
        return Err(Error::field("valuation_date", "must not be before the entry date"));
    }
    if valuation_date > day::today(&tx).await? {
        return Err(Error::field("valuation_date", "must not be in the future (UTC)"));
    }
    let written = if let Some(price) = price {
        if Entity::find().filter(Column::PositionId.eq(id)).count(&tx).await? >= VALUATIONS_MAX {
            let detail = format!("a position has at most {VALUATIONS_MAX} valuations");
            return Err(Error::conflict("too_many_valuations", detail));
        }
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "INSERT INTO position_valuations AS known (position_id, valuation_date, price) VALUES ($1, $2, $3)
             ON CONFLICT ON CONSTRAINT pk_position_valuations DO UPDATE SET price = excluded.price
              WHERE known.price <> excluded.price",
            [id.0.into(), valuation_date.into(), price.into()],
        );
        tx.execute_raw(statement).await?.rows_affected()
    } else {
        let gone = Entity::delete_by_id((id, valuation_date)).exec(&tx).await?.rows_affected;
        if gone == 0 {
            return Err(Error::NotFound("valuation"));
        }
        gone
    };
    if written > 0 {
        changed(&tx, portfolio.id, valuation_date).await?;
    }
    tx.commit().await
}
