//! Sending a message: as a stream of events, or as one JSON answer.

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use entity::ids::{ConversationId, MessageId, UserId};
use futures::Stream;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::begin::{self, Begun, Sent};
use crate::auth::CurrentUser;
use crate::conversation::{self, CitationView, MemoryUsed, MessageView};
use crate::error::{Error, Result};
use crate::llm::Usage;
use crate::state::AppState;
use crate::web::live::Reader;
use crate::web::text::not_blank;
use crate::web::{Json, Path, Problems};

/// A message to send.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SendRequest {
    /// What the user says, at most 32,000 characters.
    #[garde(custom(not_blank))]
    #[schema(max_length = 32000)]
    pub content: String,
    /// What the user is looking at: `page_hint`, `route`, `portfolio_id`, `selection`.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub ui_context: Option<serde_json::Map<String, serde_json::Value>>,
    /// The message this one follows; the newest one if absent.
    #[garde(skip)]
    #[serde(default)]
    pub parent_id: Option<Uuid>,
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
    /// What the user is looking at.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub ui_context: Option<serde_json::Map<String, serde_json::Value>>,
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
#[utoipa::path(post, path = "/chat/conversations/{id}/send", tag = "chat", request_body = SendRequest,
    params(("id" = Uuid, Path, description = "Conversation")),
    responses((status = 200, description = "The answer", content((SendAnswer = "application/json"), (String = "text/event-stream"))), Problems))]
pub async fn send(
    State(state): State<AppState>,
    user: CurrentUser,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Json(request): Json<SendRequest>,
) -> Result<Response> {
    let sent = Sent {
        conversation_id: ConversationId(id),
        content: within_limit(&state, "content", request.content)?,
        ui_context: request.ui_context.map(serde_json::Value::Object),
        parent_id: request.parent_id.map(MessageId),
    };
    respond(&state, &user, &headers, sent).await
}

/// The same by body alone: `{conversation_id?, text}`.
#[utoipa::path(post, path = "/chat/send", tag = "chat", request_body = SendTextRequest,
    responses((status = 200, description = "The answer", content((SendAnswer = "application/json"), (String = "text/event-stream"))), Problems))]
pub async fn send_text(
    State(state): State<AppState>,
    user: CurrentUser,
    headers: HeaderMap,
    Json(request): Json<SendTextRequest>,
) -> Result<Response> {
    let content = within_limit(&state, "text", request.text)?;
    let conversation_id = match request.conversation_id {
        Some(id) => ConversationId(id),
        None => conversation::create(&state.core, user.id, None).await?.id,
    };
    let ui_context = request.ui_context.map(serde_json::Value::Object);
    let sent = Sent { conversation_id, content, ui_context, parent_id: None };
    respond(&state, &user, &headers, sent).await
}

fn within_limit(state: &AppState, field: &'static str, content: String) -> Result<String> {
    let limit = state.settings.chat.message_characters;
    let length = content.chars().count();
    if length > limit {
        return Err(Error::field(field, format!("has {length} characters, at most {limit} are allowed")));
    }
    Ok(content)
}

async fn respond(state: &AppState, user: &CurrentUser, headers: &HeaderMap, sent: Sent) -> Result<Response> {
    let json = wants_json(headers);
    let begun = begin::begin(state, user, sent).await?;
    if json {
        Ok(Json(whole(state, user.id, begun).await?).into_response())
    } else {
        Ok(stream(state, begun.events))
    }
}

fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("");
    accept.contains("application/json") && !accept.contains("text/event-stream")
}

/// Events as they come, comments while nothing does.
fn stream(state: &AppState, events: Reader) -> Response {
    let heartbeat = Duration::from_secs(state.settings.chat.heartbeat_s);
    let headers = [
        (header::CACHE_CONTROL, "no-cache"),
        // Proxies must not gather events.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    let sse = Sse::new(frames(events)).keep_alive(KeepAlive::new().interval(heartbeat).text("heartbeat"));
    (headers, sse).into_response()
}

fn frames(events: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    futures::stream::unfold(events, async |mut events| {
        let entry = events.next().await?;
        let frame =
            Event::default().id(entry.seq.to_string()).event(entry.event).data(entry.data.to_string());
        Some((Ok(frame), events))
    })
}

/// Waits for the end, then answers from what is stored.
async fn whole(state: &AppState, user: UserId, mut begun: Begun) -> Result<SendAnswer> {
    let limit = Duration::from_secs(state.settings.chat.send_timeout_s);
    let end = tokio::time::timeout(limit, async {
        let mut last = None;
        while let Some(entry) = begun.events.next().await {
            last = Some(entry);
        }
        last
    });
    let last = end.await.map_err(|_| Error::Unavailable {
        code: "answer_pending",
        detail: format!("the answer is still being written as message {}", begun.assistant_message_id),
        source: None,
    })?;
    match last {
        Some(entry) if entry.event == "done" => {}
        Some(entry) if entry.event == "error" => return Err(failed(&entry.data)),
        _ => {
            return Err(Error::Unavailable {
                code: "turn_interrupted",
                detail: "the turn was interrupted; send again".to_owned(),
                source: None,
            });
        }
    }
    let view = conversation::message_view(&state.core, user, begun.assistant_message_id).await?;
    Ok(answer(begun.user_message_id, view))
}

fn answer(user_message_id: MessageId, view: MessageView) -> SendAnswer {
    SendAnswer {
        user_message_id: user_message_id.0,
        assistant_message_id: view.id,
        content: view.content,
        citations: view.citations,
        memories: view.memories,
        usage: view.usage,
        latency_ms: view.latency_ms,
    }
}

/// The turn's error, as a problem of this request.
fn failed(data: &serde_json::Value) -> Error {
    let detail = data["detail"].as_str().unwrap_or("the turn failed").to_owned();
    Error::Upstream {
        code: "turn_failed",
        detail: format!("{detail} ({})", data["code"].as_str().unwrap_or("internal")),
    }
}
