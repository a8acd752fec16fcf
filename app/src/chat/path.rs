//! Where a turn stands in its conversation's tree: what a message follows,
//! what was said before it, and a new answer to an old question.

use std::time::Duration;

use entity::core::message;
use entity::ids::{ConversationId, MessageId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, QueryFilter, QueryOrder, Statement, Value,
};
use serde::{Deserialize, Deserializer};
use uuid::Uuid;

use super::queries::{BEGUN, Begun};
use crate::db::{CoreConn, CoreTx};
use crate::error::{Error, Result};

/// What a new message follows. In JSON: absent, null, or an id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Follows {
    /// The last message of the active path.
    #[default]
    Active,
    /// Nothing: it begins the conversation anew.
    Nothing,
    /// This message.
    Message(Uuid),
}

impl<'de> Deserialize<'de> for Follows {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // A field that is absent is not read at all: it is the default.
        Ok(Option::<Uuid>::deserialize(deserializer)?.map_or(Self::Nothing, Self::Message))
    }
}

impl Follows {
    /// The parent of the message to be; `active` is the last of the active path.
    pub(super) async fn parent(
        self,
        core: &impl CoreConn,
        conversation: ConversationId,
        active: Option<MessageId>,
    ) -> Result<Option<MessageId>> {
        let named = match self {
            Self::Active => return Ok(active),
            Self::Nothing => return Ok(None),
            Self::Message(id) => MessageId(id),
        };
        message::Entity::find_by_id(named)
            .filter(message::Column::ConversationId.eq(conversation))
            .one(core)
            .await?
            .map(|message| Some(message.id))
            .ok_or_else(|| Error::field("parent_id", "no message of this conversation"))
    }
}

/// Complete messages on the way from a question up to the root, nearest first.
/// At most `limit` steps are taken, so the tree's size costs nothing.
pub(super) async fn history(
    core: &impl CoreConn,
    question: MessageId,
    limit: u64,
) -> Result<Vec<message::Model>> {
    let above = Expr::cust_with_values(
        "messages.id IN (
             WITH RECURSIVE path AS (
                 SELECT m.parent_id, m.position, 1 AS step FROM messages AS m WHERE m.id = $1
                 UNION ALL
                 SELECT m.parent_id, m.position, path.step + 1
                   FROM path JOIN messages AS m ON m.id = path.parent_id AND m.position < path.position
                  WHERE path.step < $2)
             SELECT path.parent_id FROM path)",
        [Value::from(question.0), Value::from(i64::try_from(limit).unwrap_or(i64::MAX))],
    );
    Ok(message::Entity::find()
        .filter(above)
        .filter(message::Column::Status.eq(message::Status::Complete))
        .order_by_desc(message::Column::Position)
        .all(core)
        .await?)
}

/// A new answer to a question that stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct NewAnswer {
    pub(super) conversation_id: ConversationId,
    pub(super) question_id: MessageId,
    pub(super) answer_id: MessageId,
    pub(super) position: i32,
    pub(super) lease_owner: Uuid,
}

/// Inserts the answer, leased from now, and makes its path the active one.
/// When that was.
pub(super) async fn insert_answer(tx: &CoreTx, new: NewAnswer, lease: Duration) -> Result<Begun> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        format!("WITH answer AS (
             INSERT INTO messages (id, conversation_id, parent_id, position, role, status, lease_owner, lease_expires_at)
             VALUES ($2, $1, $3, $4, 'assistant', 'streaming', $5, now() + make_interval(secs => $6)))
         UPDATE conversations AS begun SET updated_at = now(), active_message_id = $2 WHERE id = $1
         RETURNING {BEGUN}"),
        [
            new.conversation_id.0.into(),
            new.answer_id.0.into(),
            new.question_id.0.into(),
            new.position.into(),
            new.lease_owner.into(),
            lease.as_secs_f64().into(),
        ],
    );
    let row = tx.query_one_raw(statement).await?.ok_or(Error::NotFound("conversation"))?;
    Begun::of(&row)
}
