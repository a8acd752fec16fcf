//! Another answer to a question that was answered before.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use entity::core::message::{self, Role};
use entity::ids::{MessageId, UserId};
use uuid::Uuid;

use super::begin;
use super::respond::{SendAnswer, respond, wants_json};
use crate::auth::CurrentUser;
use crate::conversation;
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::state::AppState;
use crate::web::{Path, Problems};

/// Answer again.
///
/// By the id of an answer, or of its question. The new answer becomes a sibling
/// of the old one and the end of the active path; the old one stays. Answers
/// and `Idempotency-Key` are as with `send`; there is no body.
#[utoipa::path(post, path = "/chat/messages/{id}/regenerate", tag = "chat",
    params(("id" = Uuid, Path, description = "The answer, or its question")),
    responses((status = 200, description = "The answer", content((SendAnswer = "application/json"), (String = "text/event-stream"))), Problems))]
pub async fn regenerate(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
) -> Result<Response> {
    let can_ask = !wants_json(&headers);
    let begun = async {
        let question = question_of(&state, user.id, MessageId(id)).await?;
        begin::begin_again(&state, &user, question, attempt.id, can_ask).await
    };
    Box::pin(respond(&state, &user, &headers, attempt, begun)).await
}

/// The question itself, or the one that an answer answers.
async fn question_of(state: &AppState, user: UserId, id: MessageId) -> Result<message::Model> {
    let message = conversation::find_owned_message(&state.core, user, id).await?;
    if message.role == Role::User {
        return Ok(message);
    }
    let question = match message.parent_id {
        Some(parent) => conversation::find_owned_message(&state.core, user, parent).await?,
        None => message,
    };
    if question.role == Role::User {
        return Ok(question);
    }
    // Only what was imported can stand so.
    Err(Error::conflict("no_question", "this message answers no question"))
}
