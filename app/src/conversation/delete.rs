//! The end of a conversation, in both databases.

use entity::core::conversation;
use entity::core::message::{self, Role};
use entity::ids::{ConversationId, MessageId, UserId};
use futures::FutureExt;
use futures::future::ready;
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use uuid::Uuid;

use super::queries::owned;
use crate::db::AiTx;
use crate::error::{Context, Error, Result};
use crate::idempotency;
use crate::jobs::outbox::{self, Aggregate, Applied, Consumer, Event, NewEvent};
use crate::state::AppState;

/// The event that a conversation is gone from core, with its messages, their
/// logs and citations.
pub const CONVERSATION_DELETED: &str = "conversation.deleted";

/// Messages an event names; a longer conversation takes several.
const MESSAGES_MAX: usize = 1000;

/// Whose outcome says which conversation of an id is gone.
const NAME: &str = "conversation";

/// Notes the generation that is gone: an import that was made again is another one.
pub const ON_CONVERSATION_DELETED: Consumer = Consumer {
    name: NAME,
    apply: |_, event| ready(Ok(Applied::Done(json!({ "generation": event.payload["generation"] })))).boxed(),
    complete: None,
};

fn aggregate(id: ConversationId) -> Aggregate {
    Aggregate::new("conversation", id)
}

/// Deletes a conversation of the user with everything that was derived from
/// it. False: ai, which is away, does its part later. 404 when it is not theirs.
pub async fn delete(state: &AppState, user: UserId, id: ConversationId) -> Result<bool> {
    let core = state.core.begin().await?;
    // Locked first: no turn begins between the look and the deletion.
    let gone = conversation::Entity::find()
        .filter(owned(user, id))
        .lock_exclusive()
        .one(&core)
        .await?
        .ok_or(Error::NotFound("conversation"))?;
    let said: Vec<MessageId> = message::Entity::find()
        .select_only()
        .column(message::Column::Id)
        .filter(message::Column::ConversationId.eq(id))
        .filter(message::Column::Role.eq(Role::User))
        .order_by_asc(message::Column::Position)
        .into_tuple()
        .all(&core)
        .await?;
    idempotency::forget(&core, user, id.0).await?;
    conversation::Entity::delete_by_id(id).exec(&core).await?;
    let mut batches = said.chunks(MESSAGES_MAX);
    let first = batches.next().unwrap_or_default();
    for messages in std::iter::once(first).chain(batches) {
        let event = NewEvent {
            kind: CONVERSATION_DELETED,
            aggregate: aggregate(id),
            payload: json!({ "messages": messages, "generation": gone.generation }),
            owner_id: Some(user),
        };
        outbox::publish(&core, event).await?;
    }
    core.commit().await?;
    Ok(state.outbox.deliver_now(aggregate(id)).await)
}

/// The user's messages that a [`CONVERSATION_DELETED`] event names.
pub fn messages_of(event: &Event) -> Result<Vec<Uuid>> {
    serde_json::from_value(event.payload["messages"].clone()).context("reading an event")
}

/// Whether ai knows that the conversation of this generation is gone. Ask in the
/// transaction that writes something about it: a deletion that comes later sees
/// what was written.
pub async fn is_gone(ai: &AiTx, id: ConversationId, generation: i64) -> Result<bool> {
    let gone = outbox::gone_generation(ai, aggregate(id), CONVERSATION_DELETED, NAME).await?;
    Ok(gone.is_some_and(|gone| gone >= generation))
}

/// Lets ai do what it has still to do about earlier conversations of this id,
/// before something is written about the one there is.
pub async fn finish_deletions(state: &AppState, id: ConversationId) -> Result<()> {
    state.outbox.drain(&[aggregate(id)]).await.map(drop)
}
