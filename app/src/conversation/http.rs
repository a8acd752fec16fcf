//! `/chat/conversations`: begin, list, read, change, delete, messages.

use axum::extract::State;
use axum::http::StatusCode;
use entity::ids::{CharacterId, ConversationId, MessageId, PersonaId};
use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::path::{self, Which};
use super::write::{Changes, New};
use super::{ConversationView, ListedMessage, metadata, queries, write};
use crate::auth::{Change, CurrentUser};
use crate::error::{Error, Result};
use crate::idempotency::Attempt;
use crate::llm::catalogue;
use crate::persona::Pair;
use crate::state::AppState;
use crate::web::{self, Cursor, Json, Page, PageQuery, Path, Problems, Query, page, text};

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
    /// Whom it is with: a character of `/characters`.
    #[garde(skip)]
    pub character_id: Option<Uuid>,
    /// Who the user is in it: a persona of `/personas`.
    #[garde(skip)]
    pub persona_id: Option<Uuid>,
    /// Free, at most 16,384 bytes of JSON.
    #[garde(inner(custom(metadata::is_storable)))]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

/// What to change in a conversation.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeConversation {
    /// 1 to 500 characters, not blank.
    #[garde(length(chars, min = 1, max = 500), inner(custom(text::not_blank)))]
    #[serde(default)]
    #[schema(min_length = 1, max_length = 500)]
    pub title: Option<String>,
    /// A message of the conversation: the path through it to the newest message
    /// below becomes the active one.
    #[garde(skip)]
    #[serde(default)]
    pub active_message_id: Option<Uuid>,
    /// The model that answers, one of `/chat/models`; null: the configured one.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub model: Change<String>,
    /// Whom it is with; null: nobody. Fixed by the first message.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub character_id: Change<Uuid>,
    /// Who the user is in it; null: nobody. Fixed by the first message.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    pub persona_id: Change<Uuid>,
}

/// Which messages to list.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct MessagesQuery {
    /// Rows a page, 1 to 200.
    #[garde(range(min = 1, max = page::LIMIT_MAX))]
    #[serde(default = "page::limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before.
    #[garde(skip)]
    #[serde(default)]
    #[param(value_type = Option<String>)]
    pub cursor: Option<Cursor>,
    /// Every message of every branch instead of the active path.
    #[garde(skip)]
    #[serde(default)]
    #[param(default = false)]
    pub all: bool,
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
    if let Some(model) = &request.model {
        catalogue::require(&state.models, &state.settings.models, model).await?;
    }
    let new = New {
        title: request.title,
        model: request.model,
        pair: Pair::named(request.character_id, request.persona_id),
        metadata: request.metadata.unwrap_or_default(),
    };
    let conversation = write::make(&state.core, attempt, &user, new).await?;
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
/// Its title, its active path, its model; and, as long as nothing was said, its
/// character and its persona. 409 `conversation_begun` for those afterwards: what
/// was told to one stays with it.
#[utoipa::path(patch, path = "/chat/conversations/{id}", tag = "chat", params(("id" = Uuid, Path, description = "The conversation")),
    request_body = ChangeConversation, responses((status = 200, body = ConversationView), Problems))]
pub async fn change(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<ChangeConversation>,
) -> Result<Json<ConversationView>> {
    let changes = Changes {
        title: request.title,
        active: request.active_message_id.map(MessageId),
        model: request.model,
        character: request.character_id.map(CharacterId),
        persona: request.persona_id.map(PersonaId),
    };
    if changes.are_none() {
        let detail = "give a title, an active_message_id, a model, a character_id or a persona_id";
        return Err(Error::field("title", detail));
    }
    let id = queries::find_owned(&state.core, user.id, ConversationId(id)).await?.id;
    if let Change::Set(model) = &changes.model {
        catalogue::require(&state.models, &state.settings.models, model).await?;
    }
    Ok(Json(write::change(&state.core, &user, id, changes).await?.into()))
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
/// Those of the active path, oldest first, answers with their citations; each
/// with its siblings, which are the other branches. With `all` every message
/// of every branch; `parent_id` makes the tree of them.
#[utoipa::path(get, path = "/chat/conversations/{id}/messages", tag = "chat",
    params(("id" = Uuid, Path, description = "The conversation"), MessagesQuery),
    responses((status = 200, body = Page<ListedMessage>), Problems))]
pub async fn messages(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<MessagesQuery>,
) -> Result<Json<Page<ListedMessage>>> {
    let conversation = queries::find_owned(&state.core, user.id, ConversationId(id)).await?;
    let page = PageQuery { limit: query.limit, cursor: query.cursor };
    let which = if query.all { Which::All } else { Which::Active };
    Ok(Json(path::messages(&state.core, &conversation, which, &page).await?))
}
