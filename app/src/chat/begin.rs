//! The beginning of a turn: its rows are stored, then it is a task of its own.

use std::time::Duration;

use entity::core::message;
use entity::ids::{ConversationId, MessageId};
use tokio::time::Instant;
use uuid::Uuid;

use super::brought::Brought;
use super::path::{self, Follows, NewAnswer};
use super::place::{self, Place, counts_portfolio, unoccupied};
use super::queries;
use super::retrieve::{self, Asked, Wanted};
use super::routing::Route;
use super::turn::{self, Turn};
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::persona::{self, Pair};
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
    /// Of the conversation that begins.
    pub(super) pair: Pair,
    pub(super) content: String,
    pub(super) ui_context: Option<serde_json::Value>,
    pub(super) follows: Follows,
    /// Whoever follows can be asked to approve calls of tools.
    pub(super) can_ask: bool,
}

/// A turn under way.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) assistant_message_id: MessageId,
    pub(super) events: Reader,
}

/// Stores the question, leases the answer's row and starts the turn.
pub(super) async fn begin(state: &AppState, user: &CurrentUser, sent: Sent) -> Result<Begun> {
    begin_with(state, user, sent, None).await
}

/// The same, with what the client of another API brought.
pub(super) async fn begin_with(
    state: &AppState,
    user: &CurrentUser,
    sent: Sent,
    brought: Option<Brought>,
) -> Result<Begun> {
    let (question, wanted) = match &brought {
        Some(brought) => (brought.question.searched(state), brought.question.wanted(state)),
        None => (sent.content.clone(), Wanted::of(state)),
    };
    let start = Start::now(state, user, &question, wanted);
    let place = place::store(state, user, &sent, brought.as_ref(), start.lease_owner).await?;
    let told = Told { question, can_ask: sent.can_ask, brought };
    Ok(start.turn(state, user, place, MessageId(sent.answer_id), told))
}

/// Leases a row for another answer to a question of the user's, and starts its turn.
pub(super) async fn begin_again(
    state: &AppState,
    user: &CurrentUser,
    question: message::Model,
    answer_id: Uuid,
    can_ask: bool,
) -> Result<Begun> {
    let start = Start::now(state, user, &question.content, Wanted::of(state));
    let lease = Duration::from_secs(state.settings.chat.lease_s);
    let tx = state.core.begin().await?;
    let limits = usage::limits(&tx, user.id, &state.settings.quota).await?;
    let conversation = queries::lock_conversation(&tx, user.id, question.conversation_id).await?;
    let cast = persona::cast(&tx, user, Pair::of(&conversation)).await?;
    let newest = unoccupied(&tx, &state.settings.prices, conversation.id).await?;
    let answer = NewAnswer {
        conversation_id: conversation.id,
        question_id: question.id,
        answer_id: MessageId(answer_id),
        position: newest.map_or(0, |(_, position)| position) + 1,
        lease_owner: start.lease_owner,
    };
    let chosen = conversation.model.clone();
    let has_portfolio = counts_portfolio(&tx, user, &limits).await?;
    let route = Route::of(state, limits, chosen, &cast, &question.content, true, has_portfolio);
    route.reserve(&tx, user.id, answer.answer_id).await?;
    let begun = path::insert_answer(&tx, answer, lease).await?;
    tx.commit().await?;
    let place = Place::in_conversation(&conversation, question.id, begun, route, cast);
    let told = Told { question: question.content, can_ask, brought: None };
    Ok(start.turn(state, user, place, answer.answer_id, told))
}

/// A turn whose question is being embedded while its rows are stored.
struct Start {
    started_at: Instant,
    lease_owner: Uuid,
    asked: Option<Asked>,
}

/// What is asked, and whether one may ask back.
struct Told {
    question: String,
    can_ask: bool,
    /// What the client of another API asks instead.
    brought: Option<Brought>,
}

impl Start {
    fn now(state: &AppState, user: &CurrentUser, question: &str, wanted: Wanted) -> Self {
        Self {
            started_at: Instant::now(),
            lease_owner: Uuid::now_v7(),
            asked: retrieve::ask(state, user.id, question, wanted),
        }
    }

    fn turn(
        self,
        state: &AppState,
        user: &CurrentUser,
        place: Place,
        answer_id: MessageId,
        told: Told,
    ) -> Begun {
        let running = state.metrics.turn();
        let writer = state.live.start(answer_id.0);
        let events = writer.reader();
        let is_brought = told.brought.is_some();
        let turn = Turn {
            state: state.clone(),
            user: user.clone(),
            cast: place.cast,
            conversation_id: place.conversation_id,
            generation: place.begun.generation,
            user_message_id: place.question_id,
            assistant_message_id: answer_id,
            question: told.question,
            can_ask: told.can_ask,
            brought: told.brought,
            is_first: place.is_first,
            // No model is asked for a title by clients of another API.
            is_untitled: place.is_untitled && !is_brought,
            lease_owner: self.lease_owner,
            route: place.route,
            started_at: self.started_at,
            asked_at: place.begun.at,
            has_portfolio: place.begun.has_portfolio,
        };
        let asked = self.asked;
        state.tasks.spawn(async move {
            turn::run(turn, asked, writer).await;
            drop(running);
        });
        Begun { assistant_message_id: answer_id, events }
    }
}
