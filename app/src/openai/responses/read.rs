//! Reading, following, cancelling and deleting responses that are kept.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use entity::ids::MessageId;
use garde::Validate;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::IntoParams;

use super::follow::{self, Followed};
use super::object::{id_of, name_of};
use super::stored;
use crate::auth::CurrentUser;
use crate::chat::brought;
use crate::conversation;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::{Json, Path, Query};

/// How a response is read.
#[derive(Clone, Copy, Debug, Deserialize, Validate, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ReadQuery {
    /// Whether it comes as events.
    #[garde(skip)]
    pub stream: Option<bool>,
    /// The `sequence_number` of the last event that came; absent: from the beginning.
    #[garde(skip)]
    pub starting_after: Option<u64>,
}

/// The message behind a name.
fn id_in(name: &str) -> Result<MessageId> {
    id_of(name).map(MessageId).ok_or(Error::NotFound("response"))
}

/// A response as it is now, or with `stream` the events after `starting_after`,
/// each once and in order, then those to come. A day after its end the events
/// are gone: its text comes in one piece then, and who has had some of them is
/// told the end only. A stream that ends without the response's end goes on where
/// it is asked for again.
#[utoipa::path(get, path = "/v1/responses/{id}", tag = "openai",
    params(("id" = String, Path, description = "The response's id"), ReadQuery),
    responses((status = 200, description = "The response, as one body or as events", content((Object = "application/json"), (String = "text/event-stream")))))]
pub async fn retrieve(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<ReadQuery>,
) -> Result<Response> {
    let id = id_in(&name)?;
    let kept = brought::kept(&state, user.id, id).await?;
    if !query.stream.unwrap_or(false) {
        return Ok(Json(stored::object(&kept)).into_response());
    }
    let turn = brought::follow(&state, user.id, id).await?;
    let followed =
        Followed { user: user.id, id, request: kept.response.request, after: query.starting_after };
    Ok(follow::respond(&state, turn, followed))
}

/// Ends a response early, whichever replica writes it; what it has said so far
/// is kept. One that has ended stays as it is.
#[utoipa::path(post, path = "/v1/responses/{id}/cancel", tag = "openai",
    params(("id" = String, Path, description = "The response's id")),
    responses((status = 200, description = "The response", content((Object = "application/json")))))]
pub async fn cancel(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(name): Path<String>,
) -> Result<Json<Value>> {
    let id = id_in(&name)?;
    brought::kept(&state, user.id, id).await?;
    brought::cancel(&state, user.id, id).await?;
    Ok(Json(stored::object(&brought::kept(&state, user.id, id).await?)))
}

/// What was given as input.
#[utoipa::path(get, path = "/v1/responses/{id}/input_items", tag = "openai",
    params(("id" = String, Path, description = "The response's id")),
    responses((status = 200, description = "All items, the first first", content((Object = "application/json")))))]
pub async fn input_items(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(name): Path<String>,
) -> Result<Json<Value>> {
    let input = brought::kept(&state, user.id, id_in(&name)?).await?.response.input;
    let id_at = |item: Option<&Value>| item.map_or(Value::Null, |item| item["id"].clone());
    let items = input.as_array();
    let (first, last) =
        (id_at(items.and_then(|items| items.first())), id_at(items.and_then(|items| items.last())));
    Ok(Json(
        json!({ "object": "list", "data": input, "first_id": first, "last_id": last, "has_more": false }),
    ))
}

/// Deletes a response together with the conversation it is alone in. One that
/// others follow or precede goes with the conversation (409 names it).
#[utoipa::path(delete, path = "/v1/responses/{id}", tag = "openai",
    params(("id" = String, Path, description = "The response's id")),
    responses((status = 200, description = "It is gone", content((Object = "application/json")))))]
pub async fn delete(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(name): Path<String>,
) -> Result<Json<Value>> {
    let id = id_in(&name)?;
    let conversation_id = brought::kept(&state, user.id, id).await?.message.conversation_id;
    if !brought::is_alone(&state, id, conversation_id.into()).await? {
        let detail =
            format!("other answers stand in its conversation; delete conversation {conversation_id}");
        return Err(Error::Conflict { code: "response_in_conversation", detail, id: Some(conversation_id) });
    }
    conversation::delete(&state, user.id, conversation_id.into()).await?;
    Ok(Json(json!({ "id": name_of(id.0), "object": "response", "deleted": true })))
}
