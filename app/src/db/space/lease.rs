//! Who works on the space beside the active one: one process at a time, for as
//! long as it says so. The database's clock decides.

use std::time::Duration;

use entity::ids::SpaceId;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use uuid::Uuid;

use crate::db::handle::AiDb;
use crate::error::Result;

/// The right to work on a space. It ends by itself when it is not renewed.
#[derive(Clone, Debug)]
pub struct Lease {
    ai: AiDb,
    space: SpaceId,
    /// Of this holder, and of no other ever.
    pub owner: Uuid,
    life: Duration,
}

/// Takes the lease, unless somebody holds it.
pub async fn take(ai: &AiDb, space: SpaceId, life: Duration) -> Result<Option<Lease>> {
    let lease = Lease { ai: ai.clone(), space, owner: Uuid::now_v7(), life };
    let taken = lease
        .update(
            "UPDATE ai_embedding_spaces SET lease_owner = $2, lease_expires_at = now() + make_interval(secs => $3)
              WHERE id = $1 AND status <> 'retired' AND (lease_expires_at IS NULL OR lease_expires_at < now())",
        )
        .await?;
    Ok(taken.then_some(lease))
}

impl Lease {
    /// Renews it until it is lost.
    pub async fn beat(&self) {
        loop {
            tokio::time::sleep(self.life / 4).await;
            let renewed = self
                .update(
                    "UPDATE ai_embedding_spaces SET lease_expires_at = now() + make_interval(secs => $3)
                      WHERE id = $1 AND lease_owner = $2 AND lease_expires_at > now()",
                )
                .await;
            match renewed {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => tracing::warn!(%error, "no sign of life could be written"),
            }
        }
    }

    /// Gives it back.
    pub async fn free(&self) -> Result<()> {
        self.update(
            "UPDATE ai_embedding_spaces SET lease_owner = NULL, lease_expires_at = NULL
              WHERE id = $1 AND lease_owner = $2 AND $3 > 0",
        )
        .await?;
        Ok(())
    }

    async fn update(&self, sql: &str) -> Result<bool> {
        let values = [self.space.0.into(), self.owner.into(), self.life.as_secs_f64().into()];
        let transaction = self.ai.begin_worker().await?;
        let updated =
            transaction.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, sql, values)).await?;
        transaction.commit().await?;
        Ok(updated.rows_affected() == 1)
    }
}
