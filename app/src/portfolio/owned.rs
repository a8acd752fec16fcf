//! A user's portfolio: found, locked, marked as changed.

use chrono::NaiveDate;
use entity::core::portfolio;
use entity::ids::{PortfolioId, UserId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QuerySelect, Select, Statement,
};

use crate::db::{CoreConn, CoreTx};
use crate::error::{Error, Result};

/// A portfolio of the user's that is not deleted.
pub async fn find_owned(core: &impl CoreConn, user: UserId, id: PortfolioId) -> Result<portfolio::Model> {
    owned(user, id).one(core).await?.ok_or(Error::NotFound("portfolio"))
}

/// The same, locked until the transaction ends: whoever changes what its
/// figures are computed from takes this lock first, and so does the batch.
pub async fn lock_owned(tx: &CoreTx, user: UserId, id: PortfolioId) -> Result<portfolio::Model> {
    owned(user, id).lock_exclusive().one(tx).await?.ok_or(Error::NotFound("portfolio"))
}

/// Whether the user has any.
pub async fn has_any(core: &impl CoreConn, user: UserId) -> Result<bool> {
    let found = portfolio::Entity::find()
        .filter(portfolio::Column::UserId.eq(user))
        .filter(portfolio::Column::DeletedAt.is_null())
        .one(core)
        .await?;
    Ok(found.is_some())
}

fn owned(user: UserId, id: PortfolioId) -> Select<portfolio::Entity> {
    portfolio::Entity::find_by_id(id)
        .filter(portfolio::Column::UserId.eq(user))
        .filter(portfolio::Column::DeletedAt.is_null())
}

/// Its figures from this day on are to be computed again.
pub async fn changed(tx: &CoreTx, id: PortfolioId, from: NaiveDate) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE portfolios SET stale_from = least(stale_from, $2), revision = revision + 1, updated_at = now()
          WHERE id = $1",
        [id.0.into(), from.into()],
    );
    tx.execute_raw(statement).await?;
    Ok(())
}
