//! The beginning of a turn: one short transaction, then a task of its own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::core::message;
use entity::ids::{ConversationId, MessageId};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter};
use tokio::time::Instant;
use uuid::Uuid;

use super::queries::{self, NewTurn};
use super::retrieve;
use super::routing::Route;
use super::turn::{self, Turn};
use crate::auth::CurrentUser;
use crate::db::CoreTx;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::usage;
use crate::web::live::Reader;

/// What a user sends.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The answer's id to be. Under an idempotency key it was decided before.
    pub(super) answer_id: Uuid,
    /// The conversation; none begins one.
    pub(super) conversation_id: Option<ConversationId>,
    pub(super) content: String,
    pub(super) ui_context: Option<serde_json::Value>,
    pub(super) parent_id: Option<MessageId>,
}

/// A turn under way.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) assistant_message_id: MessageId,
    pub(super) events: Reader,
}

/// Stores the question, leases the answer's row and starts the turn.
pub(super) async fn begin(state: &AppState, user: &CurrentUser, sent: Sent) -> Result<Begun> {
    let started_at = Instant::now();
    let lease_owner = Uuid::now_v7();
    let asked = retrieve::ask(state, user.id, &sent.content);
    let (stored, asked_at, route) = store(state, user, &sent, lease_owner).await?;
    let answer_id = stored.answer_id;
    let running = state.metrics.turn();
    let writer = state.live.start(answer_id.0);
    let events = writer.reader();
    let turn = Turn {
        state: state.clone(),
        user: user.clone(),
        conversation_id: stored.conversation_id,
        user_message_id: stored.question_id,
        position: stored.position,
        assistant_message_id: answer_id,
        question: sent.content,
        lease_owner,
        route,
        started_at,
        asked_at,
    };
    state.tasks.spawn(async move {
        turn::run(turn, asked, writer).await;
        drop(running);
    });
    Ok(Begun { assistant_message_id: answer_id, events })
}

async fn store(
    state: &AppState,
    user: &CurrentUser,
    sent: &Sent,
    lease_owner: Uuid,
) -> Result<(NewTurn, DateTime<Utc>, Route)> {
    let lease = Duration::from_secs(state.settings.chat.lease_s);
    let tx = state.core.begin().await?;
    let limits = usage::limits(&tx, user.id, &state.settings.quota).await?;
    let conversation = match sent.conversation_id {
        Some(id) => queries::lock_conversation(&tx, user.id, id).await?,
        // In the same transaction: a message that is not stored leaves no empty conversation.
        None => crate::conversation::create(&tx, user.id, None).await?,
    };
    let conversation_id = conversation.id;
    let newest = unoccupied(&tx, conversation_id).await?;
    let parent_id = parent(&tx, conversation_id, sent, newest.map(|(id, _)| id)).await?;
    let turn = NewTurn {
        conversation_id,
        question_id: MessageId(Uuid::now_v7()),
        parent_id,
        position: newest.map_or(0, |(_, position)| position) + 1,
        content: sent.content.clone(),
        ui_context: sent.ui_context.clone(),
        answer_id: MessageId(sent.answer_id),
        lease_owner,
    };
    let (route, wants) = Route::of(state, &limits, conversation.model, &sent.content, newest.is_some());
    usage::reserve(&tx, &limits, user.id, turn.answer_id, wants).await?;
    let asked_at = queries::insert_turn(&tx, &turn, lease).await?;
    tx.commit().await?;
    Ok((turn, asked_at, route))
}

/// The conversation's newest message and its place; no turn runs in it.
async fn unoccupied(tx: &CoreTx, conversation: ConversationId) -> Result<Option<(MessageId, i32)>> {
    let mut state = queries::state(tx, conversation).await?;
    if state.running.is_some_and(|running| running.is_expired) {
        queries::interrupt_expired(tx, super::BATCH).await?;
        state = queries::state(tx, conversation).await?;
    }
    match state.running {
        None => Ok(state.newest),
        Some(running) => Err(Error::Conflict {
            code: "turn_in_progress",
            detail: "an answer is still being written in this conversation".to_owned(),
            id: Some(running.id.0),
        }),
    }
}

/// The message the question follows: the one named, or the newest.
async fn parent(
    tx: &CoreTx,
    conversation: ConversationId,
    sent: &Sent,
    newest: Option<MessageId>,
) -> Result<Option<MessageId>> {
    let Some(named) = sent.parent_id else {
        return Ok(newest);
    };
    message::Entity::find_by_id(named)
        .filter(message::Column::ConversationId.eq(conversation))
        .one(tx)
        .await?
        .map(|message| Some(message.id))
        .ok_or_else(|| Error::field("parent_id", "no message of this conversation"))
}
