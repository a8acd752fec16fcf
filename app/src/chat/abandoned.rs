//! Turns that nobody writes any more, and logs whose day is over.

use entity::ids::MessageId;
use sea_orm::{DbBackend, Statement, Value};
use serde_json::json;

use crate::db::CoreConn;
use crate::error::Result;

/// Ends turns whose lease ran out, at most `limit`: `interrupted`, or
/// `cancelled` if their users asked for that. What they had sent stays as their
/// text, and their logs get a last event. Other replicas' living turns are left alone.
pub(super) async fn interrupt_expired(core: &impl CoreConn, limit: i64) -> Result<u64> {
    end_expired(core, limit, None).await
}

/// Cancels one turn, if its lease ran out.
pub(super) async fn cancel_expired(core: &impl CoreConn, id: MessageId) -> Result<u64> {
    end_expired(core, 1, Some(id)).await
}

async fn end_expired(core: &impl CoreConn, limit: i64, cancelled: Option<MessageId>) -> Result<u64> {
    execute(
        core,
        "WITH ended AS (
             UPDATE messages AS m
                SET status = CASE WHEN $2::uuid IS NULL AND m.cancel_requested_at IS NULL
                                  THEN 'interrupted' ELSE 'cancelled' END,
                    lease_owner = NULL, lease_expires_at = NULL, completed_at = now(),
                    content = coalesce((SELECT string_agg(e.data ->> 'delta', '' ORDER BY e.seq)
                                          FROM message_events AS e
                                         WHERE e.message_id = m.id AND e.event = 'token'), '')
              WHERE m.id IN (SELECT id FROM messages
                              WHERE status = 'streaming' AND lease_expires_at < now()
                                AND ($2::uuid IS NULL OR id = $2::uuid)
                              LIMIT $1 FOR UPDATE SKIP LOCKED)
             RETURNING m.id, m.status, m.content)
         INSERT INTO message_events (message_id, seq, event, data)
         SELECT ended.id,
                coalesce((SELECT max(e.seq) FROM message_events AS e WHERE e.message_id = ended.id), 0) + 1,
                CASE ended.status WHEN 'cancelled' THEN 'done' ELSE 'error' END,
                CASE ended.status
                    WHEN 'cancelled' THEN jsonb_build_object('content', ended.content, 'usage', NULL,
                                                             'latency_ms', NULL, 'cancelled', true)
                    ELSE $3::jsonb END
           FROM ended",
        vec![limit.into(), cancelled.map(|id| id.0).into(), interruption().into()],
    )
    .await
}

/// The last event of a turn that did not come to its end.
pub(super) fn interruption() -> serde_json::Value {
    json!({ "code": "turn_interrupted", "detail": "the turn was interrupted; send again", "retryable": true })
}

/// Deletes events older than a day, at most `limit`; the stored text answers
/// from then on. A log may lose its beginning before its end: who follows it
/// notices the gap.
pub(super) async fn delete_old_events(core: &impl CoreConn, limit: i64) -> Result<u64> {
    execute(
        core,
        "DELETE FROM message_events
          WHERE ctid IN (SELECT ctid FROM message_events
                          WHERE created_at < now() - interval '24 hours' LIMIT $1)",
        vec![limit.into()],
    )
    .await
}

async fn execute(core: &impl CoreConn, sql: &'static str, values: Vec<Value>) -> Result<u64> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(core.execute_raw(statement).await?.rows_affected())
}
