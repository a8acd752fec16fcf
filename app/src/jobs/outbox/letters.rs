//! Looking after the outbox: counting, dead letters, old rows.

use chrono::{DateTime, Utc};
use entity::core::outbox::{Column, Entity};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, QueryFilter, QueryOrder,
    QuerySelect, Statement,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{CHANNEL, Event, KEPT_DAYS, Outbox, inbox};
use crate::db::{CoreConn, CoreDb};
use crate::error::Result;

/// Rows a statement changes at most.
const BATCH: i64 = 500;

/// How many events wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, FromQueryResult)]
pub struct Counts {
    /// To be delivered.
    pub pending: i64,
    /// Given up; they hold back later events of the same thing.
    pub dead: i64,
}

/// How many events wait, and how many were given up.
pub async fn counts(core: &impl CoreConn) -> Result<Counts> {
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "SELECT count(*) FILTER (WHERE dead_at IS NULL) AS pending, count(*) FILTER (WHERE dead_at IS NOT NULL) AS dead
           FROM outbox WHERE delivered_at IS NULL",
    );
    Ok(Counts::find_by_statement(statement).one(core).await?.unwrap_or_default())
}

/// Events that were given up, the last first, one more than `limit`; those
/// after the one that was given up then.
pub async fn dead_letters(
    core: &impl CoreConn,
    limit: u64,
    after: Option<(DateTime<Utc>, Uuid)>,
) -> Result<Vec<Event>> {
    let mut query = Entity::find().filter(Column::DeadAt.is_not_null());
    if let Some((at, id)) = after {
        let place = Expr::tuple([Expr::col(Column::DeadAt), Expr::col(Column::Id)]);
        query = query.filter(place.lt(Expr::tuple([Expr::val(at), Expr::val(id)])));
    }
    Ok(query
        .order_by_desc(Column::DeadAt)
        .order_by_desc(Column::Id)
        .limit(limit.saturating_add(1))
        .all(core)
        .await?)
}

/// Gives events that were given up another ten attempts: those named, or all.
/// Returns how many.
pub async fn retry(core: &CoreDb, ids: Option<Vec<Uuid>>) -> Result<u64> {
    let sql = "UPDATE outbox SET dead_at = NULL, attempts = 0, run_at = now()
                WHERE id IN (SELECT id FROM outbox
                              WHERE dead_at IS NOT NULL AND ($2::uuid[] IS NULL OR id = ANY($2)) LIMIT $1)";
    in_batches(core, sql, [ids.into()]).await
}

/// Has delivered events applied again, for an ai database that was restored
/// from a backup and does not know of them: those delivered since then, or all
/// that are kept. What ai still knows of is answered by its inbox. Returns how
/// many. Nothing may serve meanwhile.
pub async fn requeue_delivered(core: &CoreDb, since: Option<DateTime<Utc>>) -> Result<u64> {
    let sql = "UPDATE outbox SET delivered_at = NULL, attempts = 0, run_at = now()
                WHERE id IN (SELECT id FROM outbox
                              WHERE delivered_at IS NOT NULL AND ($2::timestamptz IS NULL OR delivered_at >= $2) LIMIT $1)";
    in_batches(core, sql, [since.into()]).await
}

impl Outbox {
    /// How many delivered events ai does not know of: none, unless it was
    /// restored from a backup.
    pub async fn unknown_to_ai(&self) -> Result<u64> {
        let (mut unknown, mut after) = (0, 0_i64);
        loop {
            let page = Statement::from_sql_and_values(
                DbBackend::Postgres,
                "SELECT id, position FROM outbox
                  WHERE delivered_at IS NOT NULL AND position > $1 ORDER BY position LIMIT $2",
                [after.into(), BATCH.into()],
            );
            let rows = self.core.query_all_raw(page).await?;
            let Some(last) = rows.last() else {
                return Ok(unknown);
            };
            after = last.try_get("", "position")?;
            let ids = rows.iter().map(|row| Ok(row.try_get("", "id")?)).collect::<Result<Vec<Uuid>>>()?;
            let count = ids.len() as u64;
            let ai = self.ai.begin_worker().await?;
            unknown += count - inbox::count_known(&ai, ids).await?;
        }
    }
}

/// Batches until none is left. Each row leaves the set it was found in.
async fn in_batches(core: &CoreDb, sql: &str, more: [sea_orm::Value; 1]) -> Result<u64> {
    let mut total = 0;
    loop {
        let values = [BATCH.into()].into_iter().chain(more.clone());
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
        let rows = core.execute_raw(statement).await?.rows_affected();
        total += rows;
        if rows < BATCH.unsigned_abs() {
            break;
        }
    }
    if total > 0 {
        let notify = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT pg_notify($1, $2)",
            [CHANNEL.into(), "".into()],
        );
        core.execute_raw(notify).await?;
    }
    Ok(total)
}

/// Deletes a batch of delivered events and inbox rows that are past their
/// time. Returns how many.
pub async fn purge(outbox: &Outbox) -> Result<u64> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "DELETE FROM outbox WHERE id IN
            (SELECT id FROM outbox WHERE delivered_at < now() - make_interval(days => $1) LIMIT $2)",
        [KEPT_DAYS.into(), BATCH.into()],
    );
    let delivered = outbox.core.execute_raw(statement).await?.rows_affected();
    let ai = outbox.ai.begin_worker().await?;
    let received = inbox::purge(&ai, BATCH).await?;
    ai.commit().await?;
    Ok(delivered + received)
}
