//! `/chat/conversations`: begin, list, read, rename, delete, messages.

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::ConversationId;
use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{ConversationView, MessageView, metadata, model, queries, write};
use crate::auth::{Change, CurrentUser};
use crate::error::{Error, Result};
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
    /// The model that answers, one of `/chat/models`; without it the configured one.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    pub model: Option<String>,
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
    #[garde(length(chars, min = 1, max = 500), inner(custom(text::not_blank)))]
    #[schema(min_length = 1, max_length = 500)]
    pub title: Option<String>,
    /// The model that answers, one of `/chat/models`; null: the configured one.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub model: Change<String>,
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
    if let Some(model) = &request.model {
        model::choose(&state, model).await?;
    }
    let (title, model) = (request.title, request.model);
    let conversation = write::make(&state.core, attempt, user.id, title, model, metadata).await?;
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

/// Change a conversation.
///
/// Its title, its model, or both.
#[utoipa::path(patch, path = "/chat/conversations/{id}", tag = "chat", params(("id" = Uuid, Path, description = "The conversation")),
    request_body = RenameConversation, responses((status = 200, body = ConversationView), Problems))]
pub async fn rename(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<RenameConversation>,
) -> Result<Json<ConversationView>> {
    if request.title.is_none() && request.model == Change::Keep {
        return Err(Error::field("title", "give a title or a model"));
    }
    let id = queries::find_owned(&state.core, user.id, ConversationId(id)).await?.id;
    if let Change::Set(model) = &request.model {
        model::choose(&state, model).await?;
    }
    let conversation = write::rename(&state.core, user.id, id, request.title, request.model).await?;
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
