//! `POST /chat/messages/{id}/tool-calls/{call_id}/approve` and `/deny`.

use axum::extract::State;
use entity::core::tool_approval::Decision;
use entity::ids::MessageId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::approval;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::state::AppState;
use crate::web::{Json, Path, Problems};

/// The call that a path names.
#[derive(Clone, Debug, Deserialize)]
pub struct CallPath {
    id: Uuid,
    call_id: String,
}

/// What was said of a call.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CallDecided {
    /// The answer that waits.
    message_id: Uuid,
    /// The call.
    call_id: String,
    /// `approved` or `denied`.
    decision: &'static str,
}

/// Approve a call of a tool.
///
/// For a call that its event `tool_call` shows with `approval: required`: it runs with the arguments shown
/// and with no others. Only for the user whose answer it is, within `expires_in_s` seconds, at any
/// replica. Again changes nothing. 404 if no such call waits, 409 `already_decided` or `approval_expired`.
#[utoipa::path(post, path = "/chat/messages/{id}/tool-calls/{call_id}/approve", tag = "chat",
    params(("id" = Uuid, Path, description = "Answer"), ("call_id" = String, Path, description = "The call's id, as its event gives it")),
    responses((status = 200, body = CallDecided), Problems))]
pub async fn approve(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(path): Path<CallPath>,
) -> Result<Json<CallDecided>> {
    decide(&state, &user, path, Decision::Approved).await
}

/// Deny a call of a tool.
///
/// The call does not run; the model is told so and goes on. As with approving.
#[utoipa::path(post, path = "/chat/messages/{id}/tool-calls/{call_id}/deny", tag = "chat",
    params(("id" = Uuid, Path, description = "Answer"), ("call_id" = String, Path, description = "The call's id, as its event gives it")),
    responses((status = 200, body = CallDecided), Problems))]
pub async fn deny(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(path): Path<CallPath>,
) -> Result<Json<CallDecided>> {
    decide(&state, &user, path, Decision::Denied).await
}

async fn decide(
    state: &AppState,
    user: &CurrentUser,
    path: CallPath,
    decision: Decision,
) -> Result<Json<CallDecided>> {
    let CallPath { id, call_id } = path;
    approval::decide(state, user.id, MessageId(id), &call_id, decision).await?;
    let decision = if decision == Decision::Approved { "approved" } else { "denied" };
    Ok(Json(CallDecided { message_id: id, call_id, decision }))
}
