//! `/chat/messages/{id}/feedback`

use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use entity::ai::feedback::{self, Model};
use entity::ids::MessageId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::vote::{self, Vote};
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::state::AppState;
use crate::web::text::{no_nul, not_blank};
use crate::web::{Json, Path, Problems};

/// A vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// The answer helped.
    Up,
    /// It did not.
    Down,
}

/// A vote on an answer. It takes the place of your earlier one as a whole.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewFeedback {
    /// Whether the answer helped.
    #[garde(skip)]
    pub rating: Rating,
    /// In your words, at most 2,000 characters.
    #[garde(length(chars, max = 2000), inner(custom(no_nul)))]
    #[schema(max_length = 2000)]
    pub comment: Option<String>,
    /// The answer as it should have been, at most 32,000 characters.
    #[garde(length(chars, max = 32_000), inner(custom(no_nul)))]
    #[schema(max_length = 32000)]
    pub edited_text: Option<String>,
    /// At most 20 labels of at most 50 characters.
    #[garde(length(max = 20), inner(length(chars, max = 50), custom(not_blank)))]
    #[serde(default)]
    #[schema(max_items = 20)]
    pub tags: Vec<String>,
}

/// A stored vote.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Feedback {
    /// Key; stays when the vote changes.
    pub id: Uuid,
    /// The answer.
    pub message_id: Uuid,
    /// The vote.
    pub rating: Rating,
    /// In the user's words.
    pub comment: Option<String>,
    /// The answer as it should have been.
    pub edited_text: Option<String>,
    /// Short labels.
    pub tags: Vec<String>,
    /// When it was first cast.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// Vote on an answer.
///
/// One vote a user and message: voting again changes it. 404 unless the message
/// is in one of your conversations, 422 unless it is an answer; 503 when the ai
/// database is away, and nothing is stored then.
#[utoipa::path(
    put,
    path = "/chat/messages/{id}/feedback",
    tag = "feedback",
    params(("id" = Uuid, Path, description = "Key of the answer")),
    request_body = NewFeedback,
    responses((status = 200, description = "The vote as stored", body = Feedback), Problems)
)]
pub async fn vote(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Json(request): Json<NewFeedback>,
) -> Result<Json<Feedback>> {
    let row = vote::cast(&state, user.id, MessageId(id), request.into()).await?;
    Ok(Json(row.into()))
}

/// Vote on an answer; the same as PUT.
#[utoipa::path(
    post,
    path = "/chat/messages/{id}/feedback",
    tag = "feedback",
    params(("id" = Uuid, Path, description = "Key of the answer")),
    request_body = NewFeedback,
    responses((status = 200, description = "The vote as stored", body = Feedback), Problems)
)]
pub async fn vote_by_post(
    state: State<AppState>,
    user: CurrentUser,
    id: Path<Uuid>,
    request: Json<NewFeedback>,
) -> Result<Json<Feedback>> {
    vote(state, user, id, request).await
}

/// Read your vote on an answer.
#[utoipa::path(
    get,
    path = "/chat/messages/{id}/feedback",
    tag = "feedback",
    params(("id" = Uuid, Path, description = "Key of the answer")),
    responses((status = 200, description = "The vote", body = Feedback), Problems)
)]
pub async fn read(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<Json<Feedback>> {
    let row = vote::read(&state, user.id, MessageId(id)).await?;
    Ok(Json(row.into()))
}

/// Take your vote back.
///
/// 204 whether or not there was one, as long as the answer is yours.
#[utoipa::path(
    delete,
    path = "/chat/messages/{id}/feedback",
    tag = "feedback",
    params(("id" = Uuid, Path, description = "Key of the answer")),
    responses((status = 204, description = "No vote any more"), Problems)
)]
pub async fn withdraw(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<StatusCode> {
    vote::withdraw(&state, user.id, MessageId(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl From<NewFeedback> for Vote {
    fn from(request: NewFeedback) -> Self {
        Self {
            rating: match request.rating {
                Rating::Up => feedback::Rating::Up,
                Rating::Down => feedback::Rating::Down,
            },
            comment: request.comment,
            edited_text: request.edited_text,
            tags: request.tags,
        }
    }
}

impl From<Model> for Feedback {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.0,
            message_id: row.message_id.0,
            rating: match row.rating {
                feedback::Rating::Up => Rating::Up,
                feedback::Rating::Down => Rating::Down,
            },
            comment: row.comment,
            edited_text: row.edited_text,
            tags: serde_json::from_value(row.tags).unwrap_or_default(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
