//! Which model answers: the conversation's, and, if that fails before its
//! first word, the fallback.

use serde_json::{Value, json};

use super::answer;
use super::asked::Asked;
use super::events::TurnLog;
use super::turn::Turn;
use crate::error::Result;
use crate::llm::{ChatModel, ChatRequest, ChatStream, ModelError};
use crate::state::AppState;
use crate::usage::{Limits, Wants};

/// What was decided before the turn.
#[derive(Clone, Debug)]
pub(super) struct Route {
    /// The model that is asked first.
    pub(super) model: String,
    /// What prompt and answer may take together; none: no limit.
    reserved_tokens: Option<u32>,
}

impl Route {
    /// The route of a question, and what it may take.
    pub(super) fn of(
        state: &AppState,
        limits: &Limits,
        chosen: Option<String>,
        question: &str,
        has_history: bool,
    ) -> (Self, Wants) {
        let model = answer::model_name(state, chosen);
        if state.models.chat.is_none() {
            // Quotes take no token of any model.
            return (Self { model, reserved_tokens: None }, Wants::default());
        }
        let mut wants = Wants::of_turn(&state.settings, &model, question, has_history);
        if let Some(fallback) = &state.settings.models.chat_fallback_model {
            // The dearer of the two may be the one that answers.
            let other = Wants::of_turn(&state.settings, fallback, question, has_history);
            wants.cost = wants.cost.max(other.cost);
        }
        let reserved = u32::try_from(wants.tokens).unwrap_or(u32::MAX);
        (Self { model, reserved_tokens: limits.takes_tokens().then_some(reserved) }, wants)
    }

    /// The request as this route sends it, and the call it is.
    pub(super) fn request(&self, turn: &Turn, call: &mut Option<Asked>, request: ChatRequest) -> ChatRequest {
        let state = &turn.state;
        if state.models.chat.is_none() {
            return request;
        }
        let (user, message, model) = (turn.user.id, turn.assistant_message_id, self.model.clone());
        let asked = Asked::of(state, user, message, model.clone(), &request);
        let answer_tokens = self.reserved_tokens.map(|most| asked.answer_tokens(most));
        *call = Some(asked);
        ChatRequest { model: Some(model), answer_tokens, ..request }
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
