//! Incomplete snapshots: deleted, and computed again by the next run.

use sea_orm::ConnectionTrait;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::sql;
use crate::db::CoreDb;
use crate::error::Result;

/// Portfolios a transaction.
const PORTFOLIOS_MAX: i64 = 500;

#[derive(FromQueryResult)]
struct Id {
    portfolio_id: Uuid,
}

/// Deletes snapshots in which something could not be valued. The portfolios are
/// stale from the first of them on. Answers how many snapshots went, and of how many portfolios.
pub async fn cleanup_incomplete(core: &CoreDb) -> Result<(u64, usize)> {
    let (mut deleted, mut portfolios) = (0, 0);
    let mut after = Uuid::nil();
    loop {
        let tx = core.begin().await?;
        let ids = Id::find_by_statement(sql(
            "SELECT id AS portfolio_id FROM portfolios
              WHERE id > $1 AND EXISTS (SELECT 1 FROM portfolio_snapshots AS kept
                                         WHERE kept.portfolio_id = portfolios.id AND NOT kept.is_complete)
              ORDER BY id LIMIT $2 FOR NO KEY UPDATE",
            [after.into(), PORTFOLIOS_MAX.into()],
        ));
        let ids: Vec<Uuid> = ids.all(&tx).await?.into_iter().map(|id| id.portfolio_id).collect();
        let Some(last) = ids.last() else { return Ok((deleted, portfolios)) };
        after = *last;
        portfolios += ids.len();
        tx.execute_raw(sql(
            "UPDATE portfolios SET stale_from = least(stale_from, incomplete.first), revision = revision + 1
               FROM (SELECT portfolio_id, min(snapshot_date) AS first FROM portfolio_snapshots
                      WHERE portfolio_id = ANY ($1) AND NOT is_complete GROUP BY 1) AS incomplete
              WHERE portfolios.id = incomplete.portfolio_id",
            [ids.clone().into()],
        ))
        .await?;
        let gone = tx.execute_raw(sql(
            "DELETE FROM portfolio_snapshots WHERE portfolio_id = ANY ($1) AND NOT is_complete",
            [ids.into()],
        ));
        deleted += gone.await?.rows_affected();
        tx.commit().await?;
    }
}
