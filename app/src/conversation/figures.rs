//! What conversations keep of portfolios: the figures that answers quote. They go with the portfolio.

use std::collections::HashMap;

use entity::core::portfolio;
use entity::ids::{PortfolioId, UserId};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use super::logs;
use crate::db::CoreTx;
use crate::error::Result;

/// Portfolios asked for at once.
const AT_ONCE: usize = 1_000;

/// Which of these portfolios of the user's are there, with their names. None of them is
/// deleted until the transaction ends, so that whoever deletes one sees what was written of it.
pub async fn living_portfolios(
    tx: &CoreTx,
    user: UserId,
    ids: &[PortfolioId],
) -> Result<HashMap<PortfolioId, String>> {
    let mut living = HashMap::new();
    for some in ids.chunks(AT_ONCE) {
        let found: Vec<(PortfolioId, String)> = portfolio::Entity::find()
            .select_only()
            .columns([portfolio::Column::Id, portfolio::Column::Name])
            .filter(portfolio::Column::UserId.eq(user))
            .filter(portfolio::Column::DeletedAt.is_null())
            .filter(portfolio::Column::Id.is_in(some.iter().copied()))
            // Always in the same order, so that two do not wait for each other.
            .order_by_asc(portfolio::Column::Id)
            .lock_shared()
            .into_tuple()
            .all(tx)
            .await?;
        living.extend(found);
    }
    Ok(living)
}

/// Takes a portfolio's name and figures out of the citations of its owner's answers, and
/// out of their logs; the answers stay.
pub async fn forget_portfolio(tx: &CoreTx, user: UserId, id: PortfolioId) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE citations SET title = '', quote = '', deleted = true WHERE portfolio_id = $1 AND NOT deleted",
        [id.0.into()],
    );
    tx.execute_raw(statement).await?;
    logs::forget_portfolio(tx, user, id).await
}
