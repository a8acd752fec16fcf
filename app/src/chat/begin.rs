//! The beginning of a turn: one short transaction, then a task of its own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::core::message;
use entity::ids::{ConversationId, MessageId};
use tokio::time::Instant;
use uuid::Uuid;

use super::abandoned;
use super::path::{self, Follows, NewAnswer};
use super::queries::{self, NewTurn};
use super::retrieve::{self, Asked, Wanted};
use super::routing::Route;
use super::turn::{self, Turn};
use crate::auth::CurrentUser;
use crate::config::Prices;
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
    pub(super) follows: Follows,
}

/// A turn under way.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) assistant_message_id: MessageId,
    pub(super) events: Reader,
}

/// Stores the question, leases the answer's row and starts the turn.
pub(super) async fn begin(state: &AppState, user: &CurrentUser, sent: Sent) -> Result<Begun> {
    let start = Start::now(state, user, &sent.content);
    let (stored, asked_at, route) = store(state, user, &sent, start.lease_owner).await?;
    let NewTurn { conversation_id, question_id, .. } = stored;
    let place = Place { conversation_id, question_id, asked_at, route };
    Ok(start.turn(state, user, place, stored.answer_id, sent.content))
}

/// Leases a row for another answer to a question of the user's, and starts its turn.
pub(super) async fn begin_again(
    state: &AppState,
    user: &CurrentUser,
    question: message::Model,
    answer_id: Uuid,
) -> Result<Begun> {
    let start = Start::now(state, user, &question.content);
    let lease = Duration::from_secs(state.settings.chat.lease_s);
    let tx = state.core.begin().await?;
    let limits = usage::limits(&tx, user.id, &state.settings.quota).await?;
    let conversation = queries::lock_conversation(&tx, user.id, question.conversation_id).await?;
    let conversation_id = conversation.id;
    let newest = unoccupied(&tx, &state.settings.prices, conversation_id).await?;
    let answer = NewAnswer {
        conversation_id,
        question_id: question.id,
        answer_id: MessageId(answer_id),
        position: newest.map_or(0, |(_, position)| position) + 1,
        lease_owner: start.lease_owner,
    };
    let route = Route::of(state, limits, conversation.model, &question.content, true);
    route.reserve(&tx, user.id, answer.answer_id).await?;
    let asked_at = path::insert_answer(&tx, answer, lease).await?;
    tx.commit().await?;
    let place = Place { conversation_id, question_id: question.id, asked_at, route };
    Ok(start.turn(state, user, place, answer.answer_id, question.content))
}

/// A turn whose question is being embedded while its rows are stored.
struct Start {
    started_at: Instant,
    lease_owner: Uuid,
    asked: Asked,
}

/// Where a turn was stored, when, and who answers it.
struct Place {
    conversation_id: ConversationId,
    question_id: MessageId,
    asked_at: DateTime<Utc>,
    route: Route,
}

impl Start {
    fn now(state: &AppState, user: &CurrentUser, question: &str) -> Self {
        Self {
            started_at: Instant::now(),
            lease_owner: Uuid::now_v7(),
            asked: retrieve::ask(state, user.id, question, Wanted::of(state)),
        }
    }

    fn turn(
        self,
        state: &AppState,
        user: &CurrentUser,
        place: Place,
        answer_id: MessageId,
        question: String,
    ) -> Begun {
        let running = state.metrics.turn();
        let writer = state.live.start(answer_id.0);
        let events = writer.reader();
        let turn = Turn {
            state: state.clone(),
            user: user.clone(),
            conversation_id: place.conversation_id,
            user_message_id: place.question_id,
            assistant_message_id: answer_id,
            question,
            lease_owner: self.lease_owner,
            route: place.route,
            started_at: self.started_at,
            asked_at: place.asked_at,
        };
        let asked = self.asked;
        state.tasks.spawn(async move {
            turn::run(turn, asked, writer).await;
            drop(running);
        });
        Begun { assistant_message_id: answer_id, events }
    }
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
    let newest = unoccupied(&tx, &state.settings.prices, conversation.id).await?;
    let active = conversation.active_message_id.or(newest.map(|(id, _)| id));
    let turn = NewTurn {
        conversation_id: conversation.id,
        question_id: MessageId(Uuid::now_v7()),
        parent_id: sent.follows.parent(&tx, conversation.id, active).await?,
        position: newest.map_or(0, |(_, position)| position) + 1,
        content: sent.content.clone(),
        ui_context: sent.ui_context.clone(),
        answer_id: MessageId(sent.answer_id),
        lease_owner,
    };
    let route = Route::of(state, limits, conversation.model, &sent.content, newest.is_some());
    route.reserve(&tx, user.id, turn.answer_id).await?;
    let asked_at = queries::insert_turn(&tx, &turn, lease).await?;
    tx.commit().await?;
    Ok((turn, asked_at, route))
}

/// The conversation's newest message and its place; no turn runs in it.
async fn unoccupied(
    tx: &CoreTx,
    prices: &Prices,
    conversation: ConversationId,
) -> Result<Option<(MessageId, i32)>> {
    let mut state = queries::state(tx, conversation).await?;
    if state.running.is_some_and(|running| running.is_expired) {
        abandoned::interrupt_expired(tx, prices, super::BATCH).await?;
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
