//! The turn's statements. Every write of a turn is fenced: it counts only
//! while the row is still streaming under this turn's lease, by the database's
//! clock.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::core::{citation, conversation, message, message_event};
use entity::ids::{ConversationId, MessageId, UserId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, QueryResult, QuerySelect,
    Statement, Value,
};
use uuid::Uuid;

use super::ending::{Ending, SETTLING_FROM};
use crate::db::journal::Append;
use crate::db::{CoreConn, CoreTx};
use crate::error::{Error, Result};
use crate::jobs;
use crate::web::live::Entry;

/// Locks a conversation of the user for the rest of the transaction.
pub(super) async fn lock_conversation(
    tx: &CoreTx,
    user: UserId,
    id: ConversationId,
) -> Result<conversation::Model> {
    conversation::Entity::find_by_id(id)
        .filter(conversation::Column::UserId.eq(user))
        .lock_exclusive()
        .one(tx)
        .await?
        .ok_or(Error::NotFound("conversation"))
}

/// How far a conversation is.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Its newest message, with its place.
    pub(super) newest: Option<(MessageId, i32)>,
    /// Its running turn.
    pub(super) running: Option<Running>,
}

/// A turn that is being written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    /// The answer's row.
    pub(super) id: MessageId,
    /// Its lease ran out: nobody writes it any more.
    pub(super) is_expired: bool,
}

/// How far a conversation is; to be asked after [`lock_conversation`].
pub(super) async fn state(core: &impl CoreConn, id: ConversationId) -> Result<State> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT newest.id, newest.position, running.id AS running, running.is_expired
           FROM (SELECT id, position FROM messages WHERE conversation_id = $1 ORDER BY position DESC LIMIT 1) AS newest
           LEFT JOIN (SELECT id, lease_expires_at < now() AS is_expired FROM messages
                       WHERE conversation_id = $1 AND status = 'streaming') AS running ON true",
        [id.0.into()],
    );
    let Some(row) = core.query_one_raw(statement).await? else { return Ok(State::default()) };
    let running = row.try_get::<Option<Uuid>>("", "running")?;
    let is_expired = row.try_get::<Option<bool>>("", "is_expired")?.unwrap_or(false);
    Ok(State {
        newest: Some((MessageId(row.try_get("", "id")?), row.try_get("", "position")?)),
        running: running.map(|id| Running { id: MessageId(id), is_expired }),
    })
}

/// The two rows of a turn as they are born.
#[derive(Debug)]
pub(super) struct NewTurn {
    pub(super) conversation_id: ConversationId,
    pub(super) question_id: MessageId,
    /// What the question follows.
    pub(super) parent_id: Option<MessageId>,
    /// The question's place; the answer's is the next.
    pub(super) position: i32,
    pub(super) content: String,
    pub(super) ui_context: Option<serde_json::Value>,
    pub(super) answer_id: MessageId,
    pub(super) lease_owner: Uuid,
}

/// Inserts question and answer, the answer leased from now, and keeps in the
/// conversation when it was used and what the user looked at last. When that was.
pub(super) async fn insert_turn(tx: &CoreTx, turn: &NewTurn, lease: Duration) -> Result<Begun> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH question AS (
             INSERT INTO messages (id, conversation_id, parent_id, position, role, status, content, ui_context)
             VALUES ($2, $1, $3, $4, 'user', 'complete', $5, $6)),
         answer AS (
             INSERT INTO messages (id, conversation_id, parent_id, position, role, status, lease_owner, lease_expires_at)
             VALUES ($7, $1, $2, $4 + 1, 'assistant', 'streaming', $8, now() + make_interval(secs => $9)))
         UPDATE conversations
            SET updated_at = now(), active_message_id = $7,
                metadata = CASE WHEN $6::jsonb IS NULL THEN metadata ELSE
                    metadata || jsonb_build_object('ui_context', coalesce(metadata -> 'ui_context', '{}') || $6::jsonb) END
          WHERE id = $1
         RETURNING updated_at,
                   EXISTS (SELECT FROM portfolios AS own
                            WHERE own.user_id = conversations.user_id AND own.deleted_at IS NULL) AS has_portfolio",
        [
            turn.conversation_id.0.into(),
            turn.question_id.0.into(),
            turn.parent_id.map(|id| id.0).into(),
            turn.position.into(),
            turn.content.clone().into(),
            turn.ui_context.clone().into(),
            turn.answer_id.0.into(),
            turn.lease_owner.into(),
            lease.as_secs_f64().into(),
        ],
    );
    let row = tx.query_one_raw(statement).await?.ok_or(Error::NotFound("conversation"))?;
    Begun::of(&row)
}

/// What is known of a turn once its rows are there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Begun {
    /// When, by core's clock.
    pub(super) at: DateTime<Utc>,
    /// Its user has a portfolio.
    pub(super) has_portfolio: bool,
}

impl Begun {
    pub(super) fn of(row: &QueryResult) -> Result<Self> {
        Ok(Self { at: row.try_get("", "updated_at")?, has_portfolio: row.try_get("", "has_portfolio")? })
    }
}

/// How far a message is, and whether its lease is alive.
pub(super) async fn standing(core: &impl CoreConn, id: MessageId) -> Result<Option<(message::Status, bool)>> {
    let found = message::Entity::find_by_id(id)
        .select_only()
        .column(message::Column::Status)
        .expr_as(Expr::cust("coalesce(lease_expires_at > now(), false)"), "alive")
        .into_tuple::<(message::Status, bool)>()
        .one(core)
        .await?;
    Ok(found)
}

/// A turn's events after `after`, in order, at most `limit`.
pub(super) async fn events_after(
    core: &impl CoreConn,
    id: MessageId,
    after: i32,
    limit: u64,
) -> Result<Vec<Entry>> {
    let rows = message_event::Entity::find()
        .filter(message_event::Column::MessageId.eq(id))
        .filter(message_event::Column::Seq.gt(after))
        .order_by_asc(message_event::Column::Seq)
        .limit(limit)
        .all(core)
        .await?;
    let entry =
        |row: message_event::Model| Entry { seq: row.seq, event: row.event, data: Arc::new(row.data) };
    Ok(rows.into_iter().map(entry).collect())
}

/// Whether a turn's log holds its last event.
pub(super) async fn has_ending(core: &impl CoreConn, id: MessageId) -> Result<bool> {
    let ending = message_event::Entity::find()
        .filter(message_event::Column::MessageId.eq(id))
        .filter(message_event::Column::Event.is_in(["done", "error"]))
        .one(core)
        .await?;
    Ok(ending.is_some())
}

/// A message. Having its id is having asked whose it is.
pub(super) async fn message(core: &impl CoreConn, id: MessageId) -> Result<Option<message::Model>> {
    Ok(message::Entity::find_by_id(id).one(core).await?)
}

/// Makes the answer final, frees the lease and stores the last events, all or
/// none. False: the lease is lost.
pub(super) async fn finish(core: &impl CoreConn, last: &Append, ending: &Ending<'_>) -> Result<bool> {
    let tokens = |count: fn(&crate::llm::Usage) -> u32| {
        ending.usage.as_ref().map(|usage| i32::try_from(count(usage)).unwrap_or(i32::MAX))
    };
    let seqs: Vec<i32> = last.lines.iter().map(|line| line.seq).collect();
    let events: Vec<String> = last.lines.iter().map(|line| line.event.clone()).collect();
    let data: Vec<String> = last.lines.iter().map(|line| line.data.clone()).collect();
    let settling = &ending.settling;
    let queueing = jobs::queueing(SETTLING_FROM + settling.values.len(), &ending.jobs);
    let sql = format!(
        "WITH {payer}, ended AS (
             UPDATE messages
                SET status = $3, content = $4, mode = $5, model = $6, memories = $7,
                    prompt_tokens = $8, completion_tokens = $9, total_tokens = $10,
                    first_token_ms = $11, latency_ms = $12, error = $13,
                    cached_prompt_tokens = $17, reasoning_tokens = $18,
                    lease_owner = NULL, lease_expires_at = NULL, completed_at = now()
              WHERE id = $1 AND lease_owner = $2 AND status = 'streaming' AND lease_expires_at > now()
                AND (SELECT count(*) FROM payer) >= 0
             RETURNING id), {parts}{queued}
         INSERT INTO message_events (message_id, seq, event, data)
         SELECT ended.id, line.seq, line.event, line.data::jsonb
           FROM ended CROSS JOIN unnest($14::int4[], $15::text[], $16::text[]) AS line (seq, event, data)
          WHERE true {condition}",
        payer = settling.payer,
        parts = settling.parts,
        queued = queueing.parts,
        condition = queueing.condition,
    );
    let mut values: Vec<Value> = vec![
        last.message_id.into(),
        last.lease_owner.into(),
        ending.status.into(),
        ending.content.into(),
        ending.mode.into(),
        ending.model.into(),
        ending.memories.clone().into(),
        tokens(|usage| usage.prompt_tokens).into(),
        tokens(|usage| usage.completion_tokens).into(),
        tokens(|usage| usage.total_tokens).into(),
        ending.first_token_ms.into(),
        ending.latency_ms.into(),
        ending.error.clone().into(),
        seqs.into(),
        events.into(),
        data.into(),
        tokens(|usage| usage.cached_prompt_tokens).into(),
        tokens(|usage| usage.reasoning_tokens).into(),
    ];
    values.extend(settling.values.iter().cloned());
    values.extend(queueing.values);
    Ok(execute(core, sql, values).await? > 0)
}

/// Stores an answer's citations.
pub(super) async fn insert_citations(tx: &CoreTx, citations: Vec<citation::ActiveModel>) -> Result<()> {
    citation::Entity::insert_many(citations).exec_without_returning(tx).await?;
    Ok(())
}

async fn execute(core: &impl CoreConn, sql: impl Into<String>, values: Vec<Value>) -> Result<u64> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    Ok(core.execute_raw(statement).await?.rows_affected())
}
