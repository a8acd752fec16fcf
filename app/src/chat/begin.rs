//! The beginning of a turn: one short transaction, then a task of its own.

use std::time::Duration;

use entity::core::{conversation, message};
use entity::ids::{ConversationId, MessageId};
use tokio::time::Instant;
use uuid::Uuid;

use super::abandoned;
use super::brought::{self, Brought};
use super::path::{self, Follows, NewAnswer};
use super::queries::{self, NewTurn};
use super::retrieve::{self, Asked, Wanted};
use super::routing::Route;
use super::titles;
use super::turn::{self, Turn};
use crate::auth::CurrentUser;
use crate::config::Prices;
use crate::db::CoreTx;
use crate::error::{Error, Result};
use crate::persona::{self, Cast, Pair};
use crate::portfolio;
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
    let place = store(state, user, &sent, brought.as_ref(), start.lease_owner).await?;
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
    let place = Place::of(&conversation, question.id, begun, route, cast);
    let told = Told { question: question.content, can_ask, brought: None };
    Ok(start.turn(state, user, place, answer.answer_id, told))
}

/// A turn whose question is being embedded while its rows are stored.
struct Start {
    started_at: Instant,
    lease_owner: Uuid,
    asked: Asked,
}

/// What is asked, and whether one may ask back.
struct Told {
    question: String,
    can_ask: bool,
    /// What the client of another API asks instead.
    brought: Option<Brought>,
}

/// Where a turn was stored, when, who answers it, and as whom.
struct Place {
    conversation_id: ConversationId,
    generation: i64,
    is_first: bool,
    is_untitled: bool,
    question_id: MessageId,
    begun: queries::Begun,
    route: Route,
    cast: Cast,
}

impl Place {
    fn of(
        conversation: &conversation::Model,
        question_id: MessageId,
        begun: queries::Begun,
        route: Route,
        cast: Cast,
    ) -> Self {
        Self {
            conversation_id: conversation.id,
            generation: conversation.generation,
            is_first: false,
            is_untitled: conversation.title.is_none(),
            question_id,
            begun,
            route,
            cast,
        }
    }
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
            generation: place.generation,
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

/// Whether a prompt about portfolios is to be reserved for: only where tokens count.
async fn counts_portfolio(tx: &CoreTx, user: &CurrentUser, limits: &usage::Limits) -> Result<bool> {
    Ok(limits.takes_tokens() && portfolio::has_any(tx, user.id).await?)
}

/// Stores the rows of a turn.
async fn store(
    state: &AppState,
    user: &CurrentUser,
    sent: &Sent,
    brought: Option<&Brought>,
    lease_owner: Uuid,
) -> Result<Place> {
    let lease = Duration::from_secs(state.settings.chat.lease_s);
    let tx = state.core.begin().await?;
    let limits = usage::limits(&tx, user.id, &state.settings.quota).await?;
    let conversation = if let Some(id) = sent.conversation_id {
        queries::lock_conversation(&tx, user.id, id).await?
    } else {
        // In the same transaction: a message that is not stored leaves no empty conversation.
        persona::hold(&tx, user, sent.pair).await?;
        // By clients of another API no model is asked for one.
        let title = brought.map(|_| titles::shortened(&sent.content)).filter(|title| !title.is_empty());
        crate::conversation::create(&tx, user.id, title, sent.pair).await?
    };
    let cast = persona::cast(&tx, user, Pair::of(&conversation)).await?;
    let newest = match sent.conversation_id {
        Some(_) => unoccupied(&tx, &state.settings.prices, conversation.id).await?,
        None => None,
    };
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
    let route = if let Some(brought) = brought {
        Route::brought(state, limits, &brought.question)
    } else {
        let chosen = conversation.model.clone();
        let has_portfolio = counts_portfolio(&tx, user, &limits).await?;
        Route::of(state, limits, chosen, &cast, &sent.content, newest.is_some(), has_portfolio)
    };
    route.reserve(&tx, user.id, turn.answer_id).await?;
    let begun = queries::insert_turn(&tx, &turn, lease).await?;
    if let Some(brought) = brought {
        brought::keep(&tx, turn.answer_id, brought).await?;
    }
    tx.commit().await?;
    let place = Place::of(&conversation, turn.question_id, begun, route, cast);
    Ok(Place { is_first: newest.is_none(), ..place })
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
