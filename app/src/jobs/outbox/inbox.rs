//! What ai has learned.
//!
//! Applying an event holds its aggregate's lock; whoever writes rows that
//! belong to the aggregate holds it shared and asks [`is_gone`]. So a row is
//! either seen by the deletion, or sees it.

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::Value;
use uuid::Uuid;

use super::{Aggregate, Event, KEPT_DAYS};
use crate::db::{AiConn, AiTx};
use crate::error::Result;

const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended('inbox:' || $1 || ':' || $2, 0))";
const LOCK_SHARED: &str =
    "SELECT pg_advisory_xact_lock_shared(hashtextextended('inbox:' || $1 || ':' || $2, 0))";

/// Takes an event in. Its outcome, if it was applied before; from now on the
/// transaction alone applies events of this aggregate.
pub(super) async fn receive(ai: &AiTx, event: &Event) -> Result<Option<Value>> {
    lock(ai, LOCK, &event.aggregate_type, event.aggregate_id).await?;
    let insert = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO ai_inbox (event_id, kind, aggregate_type, aggregate_id) VALUES ($1, $2, $3, $4)
         ON CONFLICT (event_id) DO NOTHING",
        [
            event.id.0.into(),
            event.kind.clone().into(),
            event.aggregate_type.clone().into(),
            event.aggregate_id.into(),
        ],
    );
    if ai.execute_raw(insert).await?.rows_affected() == 1 {
        return Ok(None);
    }
    let known = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT outcome FROM ai_inbox WHERE event_id = $1",
        [event.id.0.into()],
    );
    match ai.query_one_raw(known).await? {
        Some(row) => Ok(row.try_get("", "outcome")?),
        None => Ok(None),
    }
}

/// Notes what applying an event did.
pub(super) async fn conclude(ai: &AiTx, event: &Event, outcome: &Value) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE ai_inbox SET outcome = $2 WHERE event_id = $1",
        [event.id.0.into(), outcome.clone().into()],
    );
    ai.execute_raw(statement).await?;
    Ok(())
}

/// Whether ai has learned by an event of `kind` that the thing is gone. Until
/// the transaction ends it learns nothing of the kind, so what is written now
/// is seen by the deletion.
pub async fn is_gone(ai: &AiTx, aggregate: Aggregate, kind: &str) -> Result<bool> {
    lock(ai, LOCK_SHARED, aggregate.kind, aggregate.id).await?;
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT 1 FROM ai_inbox WHERE aggregate_id = $1 AND kind = $2 LIMIT 1",
        [aggregate.id.into(), kind.into()],
    );
    Ok(ai.query_one_raw(statement).await?.is_some())
}

/// The highest generation of the thing of whose end ai has learned by events of
/// `kind`, as the outcome of `consumer` says; an outcome that says none stands
/// for every generation. As with [`is_gone`], ai learns nothing more until the
/// transaction ends.
pub async fn gone_generation(
    ai: &AiTx,
    aggregate: Aggregate,
    kind: &str,
    consumer: &str,
) -> Result<Option<i64>> {
    lock(ai, LOCK_SHARED, aggregate.kind, aggregate.id).await?;
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT max(coalesce((outcome -> $3 ->> 'generation')::bigint, 9223372036854775807)) AS gone
           FROM ai_inbox WHERE aggregate_id = $1 AND kind = $2",
        [aggregate.id.into(), kind.into(), consumer.into()],
    );
    let row = ai.query_one_raw(statement).await?;
    Ok(row.map(|row| row.try_get("", "gone")).transpose()?.flatten())
}

/// How many of these events were applied.
pub(super) async fn count_known(ai: &impl AiConn, ids: Vec<Uuid>) -> Result<u64> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT count(*) AS known FROM ai_inbox WHERE event_id = ANY($1) AND outcome IS NOT NULL",
        [ids.into()],
    );
    let row = ai.query_one_raw(statement).await?;
    let known: i64 = row.map(|row| row.try_get("", "known")).transpose()?.unwrap_or_default();
    Ok(known.unsigned_abs())
}

/// Deletes rows past their time, at most `limit`.
pub(super) async fn purge(ai: &impl AiConn, limit: i64) -> Result<u64> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "DELETE FROM ai_inbox WHERE event_id IN
            (SELECT event_id FROM ai_inbox WHERE received_at < now() - make_interval(days => $1) LIMIT $2)",
        // Longer than the events themselves: one that is delivered again must find it.
        [(2 * KEPT_DAYS).into(), limit.into()],
    );
    Ok(ai.execute_raw(statement).await?.rows_affected())
}

async fn lock(ai: &AiTx, sql: &str, kind: &str, id: Uuid) -> Result<()> {
    let statement =
        Statement::from_sql_and_values(DbBackend::Postgres, sql, [kind.into(), id.to_string().into()]);
    ai.query_all_raw(statement).await?;
    Ok(())
}
