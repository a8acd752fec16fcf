//! `/chat/conversations`: begin, list, read, rename, delete, messages.

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::ConversationId;
use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ConversationView, MessageView, metadata, queries, write};
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::idempotency::Attempt;
use crate::state::AppState;
use crate::web::{self, Json, Page, PageQuery, Path, Problems, Query, text};

/// A conversation to begin.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateConversation {
    /// 1 to 500 characters, not blank.
    #[garde(length(chars, min = 1, max = 500), inner(custom(text::not_blank)))]
    #[schema(min_length = 1, max_length = 500)]
    pub title: Option<String>,
    /// Free, at most 16,384 bytes of JSON.
    #[garde(inner(custom(metadata::is_storable)))]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// What to change in a conversation.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RenameConversation {
    /// 1 to 500 characters, not blank.
    #[garde(length(chars, min = 1, max = 500), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 500)]
    pub title: String,
}

/// Begin a conversation.
#[utoipa::path(post, path = "/chat/conversations", tag = "chat", request_body = CreateConversation,
    responses((status = 201, body = ConversationView), Problems))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    attempt: Attempt,
    Json(request): Json<CreateConversation>,
) -> Result<(StatusCode, Json<ConversationView>)> {
    let metadata = request.metadata.unwrap_or_default();
    let conversation = write::make(&state.core, attempt, user.id, request.title, metadata).await?;
    Ok((StatusCode::CREATED, Json(conversation.into())))
}

/// List conversations.
///
/// The user's own, newest first.
#[utoipa::path(get, path = "/chat/conversations", tag = "chat", params(PageQuery),
    responses((status = 200, body = Page<ConversationView>), Problems))]
pub async fn list(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<ConversationView>>> {
    Ok(Json(queries::list(&state.core, user.id, &page).await?))
}

/// Read a conversation.
#[utoipa::path(get, path = "/chat/conversations/{id}", tag = "chat", params(("id" = Uuid, Path, description = "The conversation")),
    responses((status = 200, body = ConversationView), Problems))]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<ConversationView>> {
    let conversation = queries::find_owned(&state.core, user.id, ConversationId(id)).await?;
    Ok(Json(conversation.into()))
}

/// Rename a conversation.
#[utoipa::path(patch, path = "/chat/conversations/{id}", tag = "chat", params(("id" = Uuid, Path, description = "The conversation")),
    request_body = RenameConversation, responses((status = 200, body = ConversationView), Problems))]
pub async fn rename(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<RenameConversation>,
) -> Result<Json<ConversationView>> {
    let conversation = write::rename(&state.core, user.id, ConversationId(id), request.title).await?;
    Ok(Json(conversation.into()))
}

/// Delete a conversation.
///
/// With its messages and everything derived from them, votes too. 202 when the
/// ai database is away: it does its part when it is back.
#[utoipa::path(delete, path = "/chat/conversations/{id}", tag = "chat", params(("id" = Uuid, Path, description = "The conversation")),
    responses((status = 204), (status = 202), Problems))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    Ok(web::gone(super::delete(&state, user.id, ConversationId(id)).await?))
}

/// List the messages of a conversation.
///
/// Oldest first, answers with their citations.
#[utoipa::path(get, path = "/chat/conversations/{id}/messages", tag = "chat",
    params(("id" = Uuid, Path, description = "The conversation"), PageQuery),
    responses((status = 200, body = Page<MessageView>), Problems))]
pub async fn messages(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(page): Query<PageQuery>,
) -> Result<Json<Page<MessageView>>> {
    let conversation = queries::find_owned(&state.core, user.id, ConversationId(id)).await?;
    Ok(Json(queries::messages(&state.core, &conversation, &page).await?))
}
