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
    Statement,
};
use uuid::Uuid;

use crate::db::{CoreConn, CoreTx};
use crate::error::{Error, Result};
use crate::persona::Pair;
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

/// The conversation that a turn begins.
#[derive(Debug)]
pub(super) struct NewConversation {
    pub(super) user_id: UserId,
    pub(super) title: Option<String>,
    pub(super) pair: Pair,
    /// Nothing begins if the user has limits of their own: then they are to be kept first.
    pub(super) only_unlimited: bool,
}

/// Inserts a conversation with its first question and answer, the answer leased from
/// now. None: nobody is there who may begin one. The account is locked before
/// anything of it, as its deletion does.
pub(super) async fn insert_first(
    core: &impl CoreConn,
    conversation: &NewConversation,
    turn: &NewTurn,
    lease: Duration,
) -> Result<Option<Begun>> {
    let pair = conversation.pair;
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH owner AS (
             SELECT users.id FROM users
              WHERE users.id = $1
                AND NOT ($2 AND EXISTS (SELECT FROM usage_quotas AS own WHERE own.user_id = users.id))
                FOR KEY SHARE),
         begun AS (
             INSERT INTO conversations (id, user_id, title, character_id, persona_id, active_message_id, metadata)
             SELECT $3, owner.id, $4, $5, $6, $7,
                    CASE WHEN $8::jsonb IS NULL THEN '{}' ELSE jsonb_build_object('ui_context', $8::jsonb) END
               FROM owner
             RETURNING id, user_id, generation, updated_at),
         question AS (
             INSERT INTO messages (id, conversation_id, position, role, status, content, ui_context)
             SELECT $9, begun.id, 1, 'user', 'complete', $10, $8::jsonb FROM begun),
         answer AS (
             INSERT INTO messages (id, conversation_id, parent_id, position, role, status, lease_owner, lease_expires_at)
             SELECT $7, begun.id, $9, 2, 'assistant', 'streaming', $11, now() + make_interval(secs => $12) FROM begun)
         SELECT generation, updated_at,
                EXISTS (SELECT FROM portfolios AS own
                         WHERE own.user_id = begun.user_id AND own.deleted_at IS NULL) AS has_portfolio
           FROM begun",
        [
            conversation.user_id.0.into(),
            conversation.only_unlimited.into(),
            turn.conversation_id.0.into(),
            conversation.title.clone().into(),
            pair.character_id.map(|id| id.0).into(),
            pair.persona_id.map(|id| id.0).into(),
            turn.answer_id.0.into(),
            turn.ui_context.clone().into(),
            turn.question_id.0.into(),
            turn.content.clone().into(),
            turn.lease_owner.into(),
            lease.as_secs_f64().into(),
        ],
    );
    core.query_one_raw(statement).await?.map(|row| Begun::of(&row)).transpose()
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
         RETURNING generation, updated_at,
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
    /// Which conversation of that id.
    pub(super) generation: i64,
    /// Its user has a portfolio.
    pub(super) has_portfolio: bool,
}

impl Begun {
    pub(super) fn of(row: &QueryResult) -> Result<Self> {
        Ok(Self {
            at: row.try_get("", "updated_at")?,
            generation: row.try_get("", "generation")?,
            has_portfolio: row.try_get("", "has_portfolio")?,
        })
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

/// Stores an answer's citations.
pub(super) async fn insert_citations(tx: &CoreTx, citations: Vec<citation::ActiveModel>) -> Result<()> {
    citation::Entity::insert_many(citations).exec_without_returning(tx).await?;
    Ok(())
}
