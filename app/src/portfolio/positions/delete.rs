//! The end of lots. Figures are as if they had never been: what was sold is closed, what is
//! deleted was a mistake.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use entity::core::position;
use entity::ids::{PortfolioId, PositionId, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};

use super::read::owned;
use crate::db::{CoreDb, CoreTx};
use crate::error::{Error, Result};
use crate::idempotency;
use crate::portfolio::{changed, lock_owned};

/// Deletes lots of the user's, all or none. Kept rows (`is_forced` false) let the same import bring them
/// back; forced ones go with their closes, valuations and tags. 404 if one is not there.
pub(crate) async fn delete(core: &CoreDb, user: UserId, ids: &[PositionId], is_forced: bool) -> Result<u64> {
    let wanted: BTreeSet<PositionId> = ids.iter().copied().collect();
    let tx = core.begin().await?;
    let portfolios: BTreeSet<PortfolioId> =
        found(&tx, user, &wanted).await?.into_iter().map(|row| row.portfolio_id).collect();
    // Always in the same order, so that two deletions do not wait for each other.
    for portfolio in &portfolios {
        lock_owned(&tx, user, *portfolio).await?;
    }
    let rows = found(&tx, user, &wanted).await?;
    let theirs = position::Column::Id.is_in(wanted.iter().copied());
    if is_forced {
        position::Entity::delete_many().filter(theirs).exec(&tx).await?;
    } else {
        position::Entity::update_many()
            .col_expr(position::Column::DeletedAt, Expr::current_timestamp())
            .col_expr(position::Column::UpdatedAt, Expr::current_timestamp())
            .filter(theirs)
            .exec(&tx)
            .await?;
    }
    for portfolio in portfolios {
        let days = rows.iter().filter(|row| row.portfolio_id == portfolio).map(|row| row.entry_date);
        let first: Option<NaiveDate> = days.min();
        if let Some(first) = first {
            changed(&tx, portfolio, first).await?;
        }
    }
    idempotency::forget_all(&tx, user, wanted.iter().map(|id| id.0).collect()).await?;
    tx.commit().await?;
    Ok(wanted.len() as u64)
}

async fn found(tx: &CoreTx, user: UserId, wanted: &BTreeSet<PositionId>) -> Result<Vec<position::Model>> {
    let rows = owned(user).filter(position::Column::Id.is_in(wanted.iter().copied())).all(tx).await?;
    if rows.len() == wanted.len() { Ok(rows) } else { Err(Error::NotFound("position")) }
}
