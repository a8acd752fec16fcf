//! Sending a message: as a stream of events, or as one JSON answer.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use entity::core::message::{self, Status};
use entity::ids::{ConversationId, MessageId, UserId};
use futures::{Stream, StreamExt};
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::abandoned;
use super::begin::{self, Begun, Sent};
use super::follow::{self, Follower};
use super::path::Follows;
use crate::auth::CurrentUser;
use crate::conversation::{self, CitationView, MemoryUsed, MessageView};
use crate::error::{Error, Result};
use crate::idempotency::{Attempt, REPLAYED};
use crate::llm::Usage;
use crate::state::AppState;
use crate::web::live::Entry;
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

/// Largest `ui_context`, in bytes of JSON.
const CONTEXT_BYTES_MAX: usize = 16_384;

fn is_storable<C>(context: &serde_json::Map<String, serde_json::Value>, _: &C) -> garde::Result {
    fields_within(context, CONTEXT_BYTES_MAX)
}

/// The answer in JSON mode.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SendAnswer {
    /// The stored question.
    pub user_message_id: Uuid,
    /// The stored answer.
    pub assistant_message_id: Uuid,
    /// Its text; every `[n]` in it has a citation.
    pub content: String,
    /// What it cites.
    pub citations: Vec<CitationView>,
    /// Memories that were in the prompt.
    pub memories: Vec<MemoryUsed>,
    /// Tokens as the provider counted them; null when it did not say.
    pub usage: Option<Usage>,
    /// From the request to the end, in milliseconds.
    pub latency_ms: Option<i32>,
}

/// Sends a message. Answers as server-sent events (`message_created`, `start`,
/// `context`, `token`, `citation`, `info`, `error`, `done`; comments as
/// heartbeats), or as one JSON body with `Accept: application/json`.
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
        content: within_limit(&state, "content", request.content)?,
        ui_context: request.ui_context.map(serde_json::Value::Object),
        follows: request.parent_id,
    };
    Box::pin(respond(&state, &user, &headers, attempt, begin::begin(&state, &user, sent))).await
}

/// The same by body alone: `{conversation_id?, text}`.
#[utoipa::path(post, path = "/chat/send", tag = "chat", request_body = SendTextRequest,
    responses((status = 200, description = "The answer", content((SendAnswer = "application/json"), (String = "text/event-stream"))), Problems))]
pub async fn send_text(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    headers: HeaderMap,
    Json(request): Json<SendTextRequest>,
) -> Result<Response> {
    let sent = Sent {
        answer_id: attempt.id,
        conversation_id: request.conversation_id.map(ConversationId),
        content: within_limit(&state, "text", request.text)?,
        ui_context: request.ui_context.map(serde_json::Value::Object),
        follows: Follows::Active,
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

/// Answers from the turn an earlier try has begun, or lets `begin` begin it.
pub(super) async fn respond(
    state: &AppState,
    user: &CurrentUser,
    headers: &HeaderMap,
    attempt: Attempt,
    beginning: impl Future<Output = Result<Begun>>,
) -> Result<Response> {
    let is_json = wants_json(headers);
    if let Some(turn) = made_before(state, user.id, attempt).await? {
        let response = if is_json {
            Json(stored(state, user.id, turn).await?).into_response()
        } else {
            stream(state, follow::follow(state, user.id, turn.id, 0).await?)
        };
        return Ok(([REPLAYED], response).into_response());
    }
    let begun = beginning.await?;
    let turn = Follower::of(state, begun.assistant_message_id, begun.events);
    if is_json {
        Ok(Json(whole(state, user.id, begun.assistant_message_id, turn).await?).into_response())
    } else {
        Ok(stream(state, turn))
    }
}

/// The answer an earlier try of this request has begun.
async fn made_before(state: &AppState, user: UserId, attempt: Attempt) -> Result<Option<message::Model>> {
    if attempt.is_first {
        return Ok(None);
    }
    match conversation::find_owned_message(&state.core, user, MessageId(attempt.id)).await {
        Ok(message) => Ok(Some(message)),
        Err(Error::NotFound(_)) if attempt.is_held => Ok(None),
        Err(Error::NotFound(_)) => Err(Error::Conflict {
            code: "idempotency_in_progress",
            detail: "a request with this key is being answered; try again shortly".to_owned(),
            id: Some(attempt.id),
        }),
        Err(error) => Err(error),
    }
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    accept.contains("application/json") && !accept.contains("text/event-stream")
}

/// Events as they come, comments while nothing does.
pub(super) fn stream(state: &AppState, turn: Follower) -> Response {
    let heartbeat = Duration::from_secs(state.settings.chat.heartbeat_s);
    let headers = [
        (header::CACHE_CONTROL, "no-cache"),
        // Proxies must not gather events.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let sse = Sse::new(frames(turn)).keep_alive(KeepAlive::new().interval(heartbeat).text("heartbeat"));
    (headers, sse).into_response()
}

fn frames(turn: Follower) -> impl Stream<Item = Result<Event, Infallible>> {
    turn.events().map(|Entry { seq, event, data }| {
        let frame = Event::default().event(event).data(data.to_string());
        // What is in no log has no number, so that a client goes on after the last that is.
        Ok(if seq == 0 { frame } else { frame.id(seq.to_string()) })
    })
}

/// Waits for the end, then answers from what is stored.
async fn whole(state: &AppState, user: UserId, id: MessageId, mut turn: Follower) -> Result<SendAnswer> {
    let limit = Duration::from_secs(state.settings.chat.send_timeout_s);
    let end = tokio::time::timeout(limit, async {
        let mut last = None;
        while let Some(entry) = turn.next().await {
            last = Some(entry);
        }
        last
    });
    let last = end.await.map_err(|_| pending(id))?;
    match last {
        Some(entry) if entry.event == "error" => Err(follow::failure(&entry.data)),
        Some(entry) if !follow::is_last(&entry) => Err(pending(id)),
        _ => Ok(answer(conversation::message_view(&state.core, user, id).await?)),
    }
}

fn pending(id: MessageId) -> Error {
    let detail = format!("the answer is still being written as message {id}");
    Error::Unavailable { code: "answer_pending", detail, source: None }
}

/// What an earlier try came to.
async fn stored(state: &AppState, user: UserId, turn: message::Model) -> Result<SendAnswer> {
    match turn.status {
        Status::Complete | Status::Cancelled => {
            Ok(answer(conversation::message_view(&state.core, user, turn.id).await?))
        }
        Status::Streaming => Err(Error::Conflict {
            code: "turn_in_progress",
            detail: "the answer to this request is still being written".to_owned(),
            id: Some(turn.id.0),
        }),
        Status::Failed => Err(follow::failure(&turn.error.unwrap_or_default())),
        Status::Interrupted => Err(follow::failure(&abandoned::interruption())),
    }
}

fn answer(view: MessageView) -> SendAnswer {
    SendAnswer {
        user_message_id: view.parent_id.unwrap_or_default(),
        assistant_message_id: view.id,
        content: view.content,
        citations: view.citations,
        memories: view.memories,
        usage: view.usage,
        latency_ms: view.latency_ms,
    }
}
