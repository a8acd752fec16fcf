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
        format!("WITH question AS (
             INSERT INTO messages (id, conversation_id, parent_id, position, role, status, content, ui_context)
             VALUES ($2, $1, $3, $4, 'user', 'complete', $5, $6)),
         answer AS (
             INSERT INTO messages (id, conversation_id, parent_id, position, role, status, lease_owner, lease_expires_at)
             VALUES ($7, $1, $2, $4 + 1, 'assistant', 'streaming', $8, now() + make_interval(secs => $9)))
         UPDATE conversations AS begun
            SET updated_at = now(), active_message_id = $7,
                metadata = CASE WHEN $6::jsonb IS NULL THEN metadata ELSE
                    metadata || jsonb_build_object('ui_context', coalesce(metadata -> 'ui_context', '{{}}') || $6::jsonb) END
          WHERE id = $1
         RETURNING {BEGUN}"),
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

/// The columns of [`Begun`], of a conversation by this name.
pub(super) const BEGUN: &str = "begun.generation, begun.updated_at,
    EXISTS (SELECT FROM portfolios AS own
             WHERE own.user_id = begun.user_id AND own.deleted_at IS NULL) AS has_portfolio";

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

/// The number of a turn's last event, once its log holds it.
pub(super) async fn ending(core: &impl CoreConn, id: MessageId) -> Result<Option<i32>> {
    let ending = message_event::Entity::find()
        .filter(message_event::Column::MessageId.eq(id))
        .filter(message_event::Column::Event.is_in(["done", "error"]))
        .one(core)
        .await?;
    Ok(ending.map(|event| event.seq))
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
