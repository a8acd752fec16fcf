//! Where a turn is stored: at the end of a conversation, or as the beginning of one.

use std::time::Duration;

use entity::core::conversation;
use entity::ids::{ConversationId, MessageId};
use uuid::Uuid;

use super::abandoned;
use super::begin::Sent;
use super::brought::{self, Brought};
use super::first::First;
use super::queries::{self, Begun, NewTurn};
use super::routing::Route;
use super::titles;
use crate::auth::CurrentUser;
use crate::config::Prices;
use crate::db::CoreTx;
use crate::error::{Error, Result};
use crate::persona::{self, Cast, Pair};
use crate::portfolio;
use crate::state::AppState;
use crate::usage::{self, Limits};

/// Where a turn was stored, when, who answers it, and as whom.
pub(super) struct Place {
    pub(super) conversation_id: ConversationId,
    pub(super) is_first: bool,
    pub(super) is_untitled: bool,
    pub(super) question_id: MessageId,
    pub(super) begun: Begun,
    pub(super) route: Route,
    pub(super) cast: Cast,
}

impl Place {
    pub(super) fn in_conversation(
        conversation: &conversation::Model,
        question_id: MessageId,
        begun: Begun,
        route: Route,
        cast: Cast,
    ) -> Self {
        let is_untitled = conversation.title.is_none();
        Self {
            conversation_id: conversation.id,
            is_first: false,
            is_untitled,
            question_id,
            begun,
            route,
            cast,
        }
    }
}

/// Stores the rows of a turn.
pub(super) async fn store(
    state: &AppState,
    user: &CurrentUser,
    sent: &Sent,
    brought: Option<&Brought>,
    lease_owner: Uuid,
) -> Result<Place> {
    match sent.conversation_id {
        Some(id) => store_next(state, user, id, sent, brought, lease_owner).await,
        None => store_first(state, user, sent, brought, lease_owner).await,
    }
}

async fn store_next(
    state: &AppState,
    user: &CurrentUser,
    id: ConversationId,
    sent: &Sent,
    brought: Option<&Brought>,
    lease_owner: Uuid,
) -> Result<Place> {
    let tx = state.core.begin().await?;
    let limits = usage::limits(&tx, user.id, &state.settings.quota).await?;
    let conversation = queries::lock_conversation(&tx, user.id, id).await?;
    let cast = persona::cast(&tx, user, Pair::of(&conversation)).await?;
    let newest = unoccupied(&tx, &state.settings.prices, id).await?;
    let active = conversation.active_message_id.or(newest.map(|(id, _)| id));
    let parent_id = sent.follows.parent(&tx, id, active).await?;
    let position = newest.map_or(0, |(_, position)| position) + 1;
    let turn = NewTurn { parent_id, position, ..new_turn(sent, id, lease_owner) };
    let route = if let Some(brought) = brought {
        Route::brought(state, limits, &brought.question)
    } else {
        let chosen = conversation.model.clone();
        let has_portfolio = counts_portfolio(&tx, user, &limits).await?;
        Route::of(state, limits, chosen, &cast, &sent.content, newest.is_some(), has_portfolio)
    };
    route.reserve(&tx, user.id, turn.answer_id).await?;
    let lease = Duration::from_secs(state.settings.chat.lease_s);
    let begun = queries::insert_turn(&tx, &turn, lease).await?;
    if let Some(brought) = brought {
        brought::keep(&tx, turn.answer_id, brought).await?;
    }
    tx.commit().await?;
    let place = Place::in_conversation(&conversation, turn.question_id, begun, route, cast);
    Ok(Place { is_first: newest.is_none(), ..place })
}

/// A message that is not stored leaves no empty conversation.
async fn store_first(
    state: &AppState,
    user: &CurrentUser,
    sent: &Sent,
    brought: Option<&Brought>,
    lease_owner: Uuid,
) -> Result<Place> {
    let id = ConversationId(Uuid::now_v7());
    let parent_id = sent.follows.parent(&state.core, id, None).await?;
    let turn = NewTurn { parent_id, ..new_turn(sent, id, lease_owner) };
    // By clients of another API no model is asked for one.
    let title = brought.map(|_| titles::shortened(&sent.content)).filter(|title| !title.is_empty());
    let is_untitled = title.is_none();
    let lease_s = state.settings.chat.lease_s;
    let first = || First::new(user.id, sent.pair, title.as_deref(), &turn, lease_s);
    let place = |begun, route, cast| Place {
        conversation_id: id,
        is_first: true,
        is_untitled,
        question_id: turn.question_id,
        begun,
        route,
        cast,
    };
    // Most turns have nothing to hold or to reserve: they are stored with those that begin at the same time.
    let is_plain = sent.pair.is_empty() && brought.is_none();
    if is_plain
        && !Limits::of_server(&state.settings.quota).any()
        && let Some(begun) = first().begin_unlimited(state).await?
    {
        let cast = Cast::default();
        let route = Route::of(state, Limits::default(), None, &cast, &sent.content, false, false);
        return Ok(place(begun, route, cast));
    }
    let tx = state.core.begin().await?;
    let limits = usage::limits(&tx, user.id, &state.settings.quota).await?;
    persona::hold(&tx, user, sent.pair).await?;
    let cast = persona::cast(&tx, user, sent.pair).await?;
    let route = if let Some(brought) = brought {
        Route::brought(state, limits, &brought.question)
    } else {
        let has_portfolio = counts_portfolio(&tx, user, &limits).await?;
        Route::of(state, limits, None, &cast, &sent.content, false, has_portfolio)
    };
    route.reserve(&tx, user.id, turn.answer_id).await?;
    let begun = first().begin_in(&tx).await?;
    if let Some(brought) = brought {
        brought::keep(&tx, turn.answer_id, brought).await?;
    }
    tx.commit().await?;
    Ok(place(begun, route, cast))
}

/// The first of a conversation.
fn new_turn(sent: &Sent, conversation_id: ConversationId, lease_owner: Uuid) -> NewTurn {
    NewTurn {
        conversation_id,
        question_id: MessageId(Uuid::now_v7()),
        parent_id: None,
        position: 1,
        content: sent.content.clone(),
        ui_context: sent.ui_context.clone(),
        answer_id: MessageId(sent.answer_id),
        lease_owner,
    }
}

/// Whether a prompt about portfolios is to be reserved for: only where tokens count.
pub(super) async fn counts_portfolio(tx: &CoreTx, user: &CurrentUser, limits: &Limits) -> Result<bool> {
    Ok(limits.takes_tokens() && portfolio::has_any(tx, user.id).await?)
}

/// The conversation's newest message and its place; no turn runs in it.
pub(super) async fn unoccupied(
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
