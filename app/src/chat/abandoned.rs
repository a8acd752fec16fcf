//! Turns that nobody writes any more, and logs whose day is over.

use entity::core::message::Status;
use entity::ids::{MessageId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, Statement};
use serde_json::json;

use crate::config::Prices;
use crate::db::{CoreConn, CoreTx};
use crate::error::Result;
use crate::usage::{self, Call};

/// Ends turns whose lease ran out, at most `limit`: `interrupted`, or
/// `cancelled` if their users asked for that. What they had sent stays as their
/// text, their logs get a last event, and the ledger an estimate of what they
/// took. Other replicas' living turns are left alone.
pub(super) async fn interrupt_expired(tx: &CoreTx, prices: &Prices, limit: i64) -> Result<u64> {
    end_expired(tx, prices, limit, None).await
}

/// Cancels one turn, if its lease ran out.
pub(super) async fn cancel_expired(tx: &CoreTx, prices: &Prices, id: MessageId) -> Result<u64> {
    end_expired(tx, prices, 1, Some(id)).await
}

/// Waits for no lock: an account that is being deleted takes its turns with it.
async fn end_expired(tx: &CoreTx, prices: &Prices, limit: i64, cancelled: Option<MessageId>) -> Result<u64> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH ended AS (
             UPDATE messages AS m
                SET status = CASE WHEN $2::uuid IS NULL AND m.cancel_requested_at IS NULL
                                  THEN 'interrupted' ELSE 'cancelled' END,
                    lease_owner = NULL, lease_expires_at = NULL, completed_at = now(),
                    content = coalesce((SELECT string_agg(e.data ->> 'delta', '' ORDER BY e.seq)
                                          FROM message_events AS e
                                         WHERE e.message_id = m.id AND e.event = 'token'), '')
              WHERE m.id IN (SELECT expired.id
                               FROM messages AS expired
                               JOIN conversations AS c ON c.id = expired.conversation_id
                               JOIN users AS payer ON payer.id = c.user_id
                              WHERE expired.status = 'streaming' AND expired.lease_expires_at < now()
                                AND ($2::uuid IS NULL OR expired.id = $2::uuid)
                              LIMIT $1
                                FOR KEY SHARE OF payer SKIP LOCKED FOR UPDATE OF expired SKIP LOCKED)
             RETURNING m.id, m.conversation_id, m.status, m.content),
         logged AS (
             INSERT INTO message_events (message_id, seq, event, data)
             SELECT ended.id,
                    coalesce((SELECT max(e.seq) FROM message_events AS e WHERE e.message_id = ended.id), 0) + 1,
                    CASE ended.status WHEN 'cancelled' THEN 'done' ELSE 'error' END,
                    CASE ended.status
                        WHEN 'cancelled' THEN jsonb_build_object('content', ended.content, 'usage', NULL,
                                                                 'latency_ms', NULL, 'cancelled', true)
                        ELSE $3::jsonb END
               FROM ended)
         SELECT ended.id, ended.status, ended.content, conversations.user_id,
                (SELECT e.data ->> 'model' FROM message_events AS e
                  WHERE e.message_id = ended.id AND e.event = 'start') AS model,
                (SELECT (e.data ->> 'prompt_tokens')::int8 FROM message_events AS e
                  WHERE e.message_id = ended.id AND e.event = 'context') AS prompt_tokens
           FROM ended JOIN conversations ON conversations.id = ended.conversation_id",
        [limit.into(), cancelled.map(|id| id.0).into(), interruption().into()],
    );
    let ended = tx.query_all_raw(statement).await?;
    for row in &ended {
        record(tx, prices, row).await?;
    }
    Ok(ended.len() as u64)
}

/// What a model was asked by a turn that died was used all the same.
async fn record(tx: &CoreTx, prices: &Prices, ended: &QueryResult) -> Result<()> {
    let asked = (ended.try_get("", "model")?, ended.try_get("", "prompt_tokens")?);
    let (Some(model), Some(prompt_tokens)): (Option<String>, Option<i64>) = asked else { return Ok(()) };
    let status: Status = ended.try_get("", "status")?;
    let text: String = ended.try_get("", "content")?;
    let prompt_tokens = u32::try_from(prompt_tokens).unwrap_or(u32::MAX);
    let spent = Call::lost(prices, &model, prompt_tokens, &text, status);
    let (user, message) = (UserId(ended.try_get("", "user_id")?), MessageId(ended.try_get("", "id")?));
    usage::settle_late(tx, user, message, spent, status == Status::Cancelled).await
}

/// The last event of a turn that did not come to its end.
pub(super) fn interruption() -> serde_json::Value {
    json!({ "code": "turn_interrupted", "detail": "the turn was interrupted; send again", "retryable": true })
}

/// Deletes events older than a day, at most `limit`; the stored text answers
/// from then on. A log may lose its beginning before its end: who follows it
/// notices the gap.
pub(super) async fn delete_old_events(core: &impl CoreConn, limit: i64) -> Result<u64> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "DELETE FROM message_events
          WHERE ctid IN (SELECT ctid FROM message_events
                          WHERE created_at < now() - interval '24 hours' LIMIT $1)",
        [limit.into()],
    );
    Ok(core.execute_raw(statement).await?.rows_affected())
}
