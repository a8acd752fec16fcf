//! Which model answers: the conversation's, and, if that fails before its
//! first word, the fallback.

use entity::ids::{MessageId, UserId};
use serde_json::{Value, json};

use super::asked::Asked;
use super::events::TurnLog;
use super::question::Question;
use super::turn::{Draft, Turn};
use super::{answer, prompt};
use crate::db::CoreTx;
use crate::error::Result;
use crate::llm::{ChatModel, ChatRequest, ChatStream, Counter, ModelError};
use crate::persona::Cast;
use crate::state::AppState;
use crate::usage::{self, Limits, Unstored, Wants};

/// What was decided before the turn.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The model that is asked first.
    pub(super) model: String,
    limits: Limits,
    /// What the first prompt and its answer may take.
    wants: Wants,
    /// Counts the tokens of that model.
    pub(super) counter: Counter,
}

impl Route {
    /// The route of a question to somebody, where this model was chosen, or none:
    /// then the character's speaks, if it has one.
    pub(super) fn of(
        state: &AppState,
        limits: Limits,
        chosen: Option<String>,
        cast: &Cast,
        question: &str,
        has_history: bool,
        has_portfolio: bool,
    ) -> Self {
        let spoken = cast.character.as_ref().and_then(|character| character.model.clone());
        let model = answer::model_name(state, chosen.or(spoken));
        if state.models.chat.is_none() {
            // Quotes take no token of any model.
            return Self { model, limits, wants: Wants::default(), counter: Counter::default() };
        }
        let counter = Counter::of(&model);
        let fixed = prompt::fixed_tokens(&state.settings, counter, cast, question, has_portfolio);
        let wants = wants(state, &model, usage::prompt_tokens(&state.settings, fixed, has_history));
        Self { model, limits, wants, counter }
    }

    /// The route of a client's own messages.
    pub(super) fn brought(state: &AppState, limits: Limits, question: &Question) -> Self {
        let model = answer::model_name(state, Some(question.model.clone()));
        let wants = match &state.models.chat {
            None => Wants::default(),
            Some(_) => wants(state, &model, question.prompt_tokens(state)),
        };
        let counter = Counter::of(&model);
        Self { model, limits, wants, counter }
    }

    /// The same for an answer that is not stored: what it may take is reserved.
    pub(super) async fn unstored(
        state: &AppState,
        user: UserId,
        question: &Question,
    ) -> Result<(Self, Unstored)> {
        let route = Self::brought(state, Limits::default(), question);
        let (account, limits) = Unstored::reserve(state, user, route.wants).await?;
        Ok((Self { limits, ..route }, account))
    }

    /// The request of an answer that is not stored.
    pub(super) fn ask(&self, state: &AppState, account: &mut Unstored, request: ChatRequest) -> ChatRequest {
        if state.models.chat.is_none() {
            return request;
        }
        let call = account.ask(&self.model, self.counter, &request);
        let most = state.settings.quota.answer_tokens;
        let reserved = self.limits.takes_tokens().then(|| call.answer_tokens(self.reserved(), most));
        let answer_tokens = least(request.answer_tokens, reserved);
        ChatRequest { model: Some(self.model.clone()), answer_tokens, ..request }
    }

    fn reserved(&self) -> u32 {
        u32::try_from(self.wants.tokens).unwrap_or(u32::MAX)
    }

    /// Reserves what the turn may take, in the transaction that stores it.
    pub(super) async fn reserve(&self, tx: &CoreTx, user: UserId, answer: MessageId) -> Result<()> {
        usage::reserve(tx, &self.limits, user, answer, self.wants).await
    }

    /// The request as this route sends it, and the call it is.
    pub(super) fn request(&self, turn: &Turn, call: &mut Option<Asked>, request: ChatRequest) -> ChatRequest {
        let state = &turn.state;
        if state.models.chat.is_none() {
            return request;
        }
        let (user, message, model) = (turn.user.id, turn.assistant_message_id, self.model.clone());
        let asked = Asked::of(state, user, message, model.clone(), self.counter, &request);
        let reserved = self.limits.takes_tokens().then(|| asked.answer_tokens(self.reserved()));
        let answer_tokens = least(request.answer_tokens, reserved);
        *call = Some(asked);
        ChatRequest { model: Some(model), answer_tokens, ..request }
    }

    /// Counts the next request of the turn, to the model that answered the last,
    /// and reserves what it may take.
    pub(super) async fn again(
        &self,
        turn: &Turn,
        draft: &mut Draft,
        request: &mut ChatRequest,
    ) -> Result<()> {
        let Some(call) = &mut draft.call else { return Ok(()) };
        request.model = Some(call.model.clone());
        if self.limits.takes_tokens() {
            let (state, answer_tokens) = (&turn.state, turn.state.settings.quota.answer_tokens);
            request.answer_tokens = Some(answer_tokens);
            let wants = wants(state, &call.model, call.next_tokens(request));
            let (user, answer) = (turn.user.id, turn.assistant_message_id);
            // What is refused is not asked, and takes nothing.
            usage::reserve_more(&state.core, &self.limits, user, answer, wants).await?;
        }
        call.again(request);
        Ok(())
    }
}

/// The client's limit of an answer, or what its quota leaves.
fn least(one: Option<u32>, other: Option<u32>) -> Option<u32> {
    [one, other].into_iter().flatten().min()
}

/// What a prompt of this many tokens and its longest answer may take.
fn wants(state: &AppState, model: &str, prompt_tokens: u32) -> Wants {
    let wants = Wants::of(&state.settings, model, prompt_tokens);
    match &state.settings.models.chat_fallback_model {
        // The dearer of the two may be the one that answers.
        Some(fallback) => {
            let other = Wants::of(&state.settings, fallback, prompt_tokens);
            Wants { cost: wants.cost.max(other.cost), ..wants }
        }
        None => wants,
    }
}

/// An answer that begins.
pub(super) struct Started {
    pub(super) stream: ChatStream,
    /// The model that gives it, and why it is not the first, for an `info` event.
    pub(super) switched: Option<(String, Value)>,
}

impl Started {
    /// Says which model it is, if it is not the first, and keeps that with the call.
    pub(super) fn announced(self, log: &mut TurnLog, call: Option<&mut Asked>) -> ChatStream {
        if let (Some((model, switch)), Some(call)) = (self.switched, call) {
            log.event("info", switch);
            call.model = model;
        }
        self.stream
    }
}

/// Asks the model, and once the fallback. Until this returns nothing was said.
pub(super) async fn ask(
    chat: &dyn ChatModel,
    request: ChatRequest,
    fallback: Option<&str>,
) -> Result<Started, ModelError> {
    let first = request.model.clone().unwrap_or_else(|| chat.model().to_owned());
    let other = fallback.filter(|other| *other != first);
    let Some(other) = other else {
        return Ok(Started { stream: chat.stream(request).await?, switched: None });
    };
    let error = match chat.stream(request.clone()).await {
        Ok(stream) => return Ok(Started { stream, switched: None }),
        Err(error) if !error.is_retryable() => return Err(error),
        Err(error) => error,
    };
    tracing::warn!(%error, from = first, to = other, "asking the fallback model");
    let again = ChatRequest { model: Some(other.to_owned()), once: true, ..request };
    // What the first model said is what is wrong, if the other fails too.
    let Ok(stream) = chat.stream(again).await else { return Err(error) };
    let switch = json!({ "code": "model_fallback", "from": first, "to": other, "reason": error.code() });
    Ok(Started { stream, switched: Some((other.to_owned(), switch)) })
}
