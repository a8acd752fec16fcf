//! How a turn is answered over HTTP: as events, or as one body once it has ended.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use entity::core::message::{self, Status};
use entity::ids::{MessageId, UserId};
use futures::{Stream, StreamExt};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::abandoned;
use super::begin::Begun;
use super::follow::{self, Follower};
use crate::auth::CurrentUser;
use crate::conversation::{self, CitationView, MemoryUsed, MessageView};
use crate::error::{Error, Result};
use crate::idempotency::{Attempt, REPLAYED};
use crate::llm::Usage;
use crate::state::AppState;
use crate::web::Json;
use crate::web::live::Entry;

/// The answer in JSON mode.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct SendAnswer {
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
pub async fn made_before(state: &AppState, user: UserId, attempt: Attempt) -> Result<Option<message::Model>> {
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

pub(super) fn wants_json(headers: &HeaderMap) -> bool {
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
