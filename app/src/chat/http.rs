//! Sending a message: as a stream of events, or as one JSON answer.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use entity::ids::ConversationId;
use garde::Validate;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::begin::{self, Sent};
use super::path::Follows;
use super::respond::{SendAnswer, respond, wants_json};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::persona::Pair;
use crate::state::AppState;
use crate::web::text::{fields_within, not_blank};
use crate::web::{Json, Path, Problems};

/// A message to send.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// What the user says, at most 32,000 characters.
    #[garde(custom(not_blank))]
    #[schema(max_length = 32000)]
    pub content: String,
    /// What the user is looking at: `page_hint`, `route`, `portfolio_id`, `selection`; at most 16 KiB of JSON.
    #[garde(inner(custom(is_storable)))]
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub ui_context: Option<serde_json::Map<String, serde_json::Value>>,
    /// The message this one follows: absent, the last one of the active path;
    /// null, none. To edit a message, send its new words with its own
    /// `parent_id` (null for the first): they become its sibling, and their
    /// path the active one.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub parent_id: Follows,
}

/// A message to send, in the form of older clients.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendTextRequest {
    /// The conversation; a new one is made if absent.
    #[garde(skip)]
    #[serde(default)]
    pub conversation_id: Option<Uuid>,
    /// Whom a new conversation is with.
    #[garde(skip)]
    #[serde(default)]
    pub character_id: Option<Uuid>,
    /// Who the user is in a new conversation.
    #[garde(skip)]
    #[serde(default)]
    pub persona_id: Option<Uuid>,
    /// What the user says, at most 32,000 characters.
    #[garde(custom(not_blank))]
    #[schema(max_length = 32000)]
    pub text: String,
    /// What the user is looking at, at most 16 KiB of JSON.
    #[garde(inner(custom(is_storable)))]
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub ui_context: Option<serde_json::Map<String, serde_json::Value>>,
}

impl SendTextRequest {
    /// Of the conversation that begins; one that has begun has its own.
    fn pair(&self) -> Result<Pair> {
        let named = [("character_id", self.character_id), ("persona_id", self.persona_id)];
        match named.into_iter().find(|(_, id)| id.is_some()) {
            Some((field, _)) if self.conversation_id.is_some() => {
                Err(Error::field(field, "is chosen when a conversation begins; leave conversation_id out"))
            }
            _ => Ok(Pair::named(self.character_id, self.persona_id)),
        }
    }
}

/// Largest `ui_context`, in bytes of JSON.
const CONTEXT_BYTES_MAX: usize = 16_384;

fn is_storable<C>(context: &serde_json::Map<String, serde_json::Value>, _: &C) -> garde::Result {
    fields_within(context, CONTEXT_BYTES_MAX)
}

/// Sends a message. Answers as server-sent events (`message_created`, `start`,
/// `context`, `token`, `tool_call`, `tool_result`, `citation`, `info`, `error`,
/// `done`; comments as heartbeats), or as one JSON body with `Accept: application/json`.
///
/// A `tool_call` with `approval: required` waits for the user to approve or deny
/// it. With one JSON body nobody can be asked: such a call is refused at once, and the
/// model is told so.
///
/// Sent again under the same `Idempotency-Key` it asks nothing again: as events
/// the same turn is followed from its beginning, as JSON its stored answer is
/// given, or 409 `turn_in_progress` while it is being written.
#[utoipa::path(post, path = "/chat/conversations/{id}/send", tag = "chat", request_body = SendRequest,
    params(("id" = Uuid, Path, description = "Conversation")),
    responses((status = 200, description = "The answer", content((SendAnswer = "application/json"), (String = "text/event-stream"))), Problems))]
pub async fn send(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Json(request): Json<SendRequest>,
) -> Result<Response> {
    let sent = Sent {
        answer_id: attempt.id,
        conversation_id: Some(ConversationId(id)),
        pair: Pair::default(),
        content: within_limit(&state, "content", request.content)?,
        ui_context: request.ui_context.map(serde_json::Value::Object),
        follows: request.parent_id,
        can_ask: !wants_json(&headers),
    };
    Box::pin(respond(&state, &user, &headers, attempt, begin::begin(&state, &user, sent))).await
}

/// The same by body alone: `{conversation_id?, text}`, or with a `character_id`
/// and `persona_id` for the conversation that it begins.
#[utoipa::path(post, path = "/chat/send", tag = "chat", request_body = SendTextRequest,
    responses((status = 200, description = "The answer", content((SendAnswer = "application/json"), (String = "text/event-stream"))), Problems))]
pub async fn send_text(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    headers: HeaderMap,
    Json(request): Json<SendTextRequest>,
) -> Result<Response> {
    let pair = request.pair()?;
    let sent = Sent {
        answer_id: attempt.id,
        conversation_id: request.conversation_id.map(ConversationId),
        pair,
        content: within_limit(&state, "text", request.text)?,
        ui_context: request.ui_context.map(serde_json::Value::Object),
        follows: Follows::Active,
        can_ask: !wants_json(&headers),
    };
    Box::pin(respond(&state, &user, &headers, attempt, begin::begin(&state, &user, sent))).await
}

fn within_limit(state: &AppState, field: &'static str, content: String) -> Result<String> {
    let limit = state.settings.chat.message_characters;
    let length = content.chars().count();
    if length > limit {
        return Err(Error::field(field, format!("has {length} characters, at most {limit} are allowed")));
    }
    Ok(content)
}
