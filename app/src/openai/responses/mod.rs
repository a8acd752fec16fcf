//! `/v1/responses`: answers that are kept, followed from any event on, and
//! gone on with.
//!
//! A response that is stored is an assistant message of a conversation, written
//! by a turn like any other: it survives its client and its process, is
//! cancelled from any replica, and goes with its conversation. What its client
//! sees is made of that message and its events ([`telling`]).

mod follow;
mod items;
mod object;
pub mod read;
mod request;
mod stored;
mod telling;
mod unstored;

use std::time::Duration;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use entity::ids::{MessageId, UserId};
use serde_json::{Value, json};
use uuid::Uuid;

pub use request::ResponseRequest;

use self::follow::Followed;
use self::object::{Head, Stage, id_of};
use super::models;
use crate::auth::CurrentUser;
use crate::chat::brought::{self, Brought, Kept};
use crate::chat::{self, Follower, Question};
use crate::error::{Error, Result};
use crate::idempotency::{Attempt, REPLAYED};
use crate::llm::{ChatMessage, Role};
use crate::state::AppState;
use crate::web::Json;
use crate::web::text::holds_nul;

/// Answers the input. What the user's documents and memories hold is used
/// unless the body's `tandem` or the header `x-tandem-retrieval: off` says no;
/// citations come as annotations. Tools are the client's own functions: the
/// model's calls of them come back. As events (`stream`) each has a
/// `sequence_number`; a stored response is followed from any of them on by
/// `GET /v1/responses/{id}?stream=true&starting_after=`.
#[utoipa::path(post, path = "/v1/responses", tag = "openai", request_body = ResponseRequest,
    responses((status = 200, description = "The response, as one body or as events", content((Object = "application/json"), (String = "text/event-stream")))))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    headers: HeaderMap,
    Json(mut request): Json<ResponseRequest>,
) -> Result<Response> {
    request.check()?;
    request.tandem = request.tandem.under(&headers);
    request.model = models::chosen(&state, &request.model).await?;
    if !request.is_stored() {
        let (brought, _) = Box::pin(brought(&state, &user, &request)).await?;
        let head = Head::new(Uuid::now_v7(), brought.request);
        let answering = Box::pin(chat::complete(&state, &user, brought.question)).await?;
        return unstored::respond(&state, head, answering, request.is_streamed()).await;
    }
    if let Some(made) = chat::made_before(&state, user.id, attempt).await? {
        let turn = brought::follow(&state, user.id, made.id).await?;
        let again = brought::kept(&state, user.id, made.id).await?.response.request;
        let answered = answer(&state, &user, &request, (made.id, again), turn).await?;
        return Ok(([REPLAYED], answered).into_response());
    }
    let (brought, previous) = Box::pin(brought(&state, &user, &request)).await?;
    let (id, again) = (MessageId(attempt.id), brought.request.clone());
    let turn = Box::pin(brought::begin(&state, &user, attempt.id, previous, brought)).await?;
    answer(&state, &user, &request, (id, again), turn).await
}

/// What the client asks, with the turns before it, and the response it follows.
async fn brought(
    state: &AppState,
    user: &CurrentUser,
    request: &ResponseRequest,
) -> Result<(Brought, Option<MessageId>)> {
    let input = items::read(&request.input)?;
    let again = request.told_again();
    if request.is_stored() && (holds_nul(&again) || input.iter().any(holds_nul)) {
        return Err(Error::field("input", "must not contain the NUL character"));
    }
    let instructions = request.instructions.as_deref().filter(|words| !words.trim().is_empty());
    let mut messages: Vec<ChatMessage> =
        instructions.map(|words| ChatMessage::new(Role::System, words)).into_iter().collect();
    let previous = match &request.previous_response_id {
        Some(name) => Some(previous(state, user.id, name, &mut messages).await?),
        None => None,
    };
    messages.extend(items::messages(&input)?);
    let question = Question {
        messages,
        options: request.options()?,
        model: request.model.clone(),
        answer_tokens: request.max_output_tokens,
        knowledge: request.tandem.knowledge,
        memory: request.tandem.memory,
    };
    question.check("input")?;
    Ok((Brought { question, request: again, input: Value::Array(input) }, previous))
}

/// The response that is gone on with; its turns are put among the messages.
async fn previous(
    state: &AppState,
    user: UserId,
    name: &str,
    messages: &mut Vec<ChatMessage>,
) -> Result<MessageId> {
    let absent = || Error::Absent {
        code: "previous_response_not_found",
        detail: format!("there is no response '{name}'"),
    };
    let id = MessageId(id_of(name).ok_or_else(absent)?);
    match brought::earlier(state, user, id).await {
        Ok(turns) => messages.extend(items::history(&turns)?),
        Err(Error::NotFound(_)) => return Err(absent()),
        Err(error) => return Err(error),
    }
    Ok(id)
}

/// Answers as events, at once, or when it has ended.
async fn answer(
    state: &AppState,
    user: &CurrentUser,
    request: &ResponseRequest,
    (id, again): (MessageId, Value),
    mut turn: Follower,
) -> Result<Response> {
    if request.is_streamed() {
        let followed = Followed { user: user.id, id, request: again, after: None };
        return Ok(follow::respond(state, turn, followed));
    }
    if request.is_background() {
        let telling = telling::Telling::new(Head::new(id.0, again));
        return Ok(Json(telling.object(Stage::InProgress, Value::Null, Value::Null)).into_response());
    }
    let limit = Duration::from_secs(state.settings.chat.send_timeout_s);
    // One that takes longer is told as it is: in progress, to be read later.
    let _ = tokio::time::timeout(limit, async { while turn.next().await.is_some() {} }).await;
    let kept = brought::kept(state, user.id, id).await?;
    is_no_failure(&kept)?;
    Ok(Json(stored::object(&kept)).into_response())
}

/// Who waits for an answer hears of a failure as of one of the request.
fn is_no_failure(kept: &Kept) -> Result<()> {
    use entity::core::message::Status;
    let error = match kept.message.status {
        Status::Failed => kept.error.clone().unwrap_or_default(),
        Status::Interrupted => json!({ "code": "turn_interrupted", "detail": "the turn was interrupted" }),
        Status::Streaming | Status::Complete | Status::Cancelled => return Ok(()),
    };
    Err(chat::failure(&error))
}
