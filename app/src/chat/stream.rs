//! Following a turn from outside: its stream, tickets for it, its end.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::response::Response;
use entity::core::message::Role;
use entity::ids::{MessageId, UserId};
use garde::Validate;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{follow, respond, stop};
use crate::auth::{self, CurrentUser};
use crate::conversation::{self, MessageView};
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::{Json, Path, Problems, Query};

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Where to go on.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct StreamQuery {
    /// The id of the last event that came; 0, as if absent, is the beginning. `Last-Event-ID` counts before it.
    #[garde(inner(range(min = 0)))]
    #[param(minimum = 0, maximum = 2_147_483_647)]
    pub starting_after: Option<i32>,
    /// A ticket of `stream-ticket`, instead of `Authorization`.
    #[garde(skip)]
    pub ticket: Option<String>,
}

/// Follow an answer.
///
/// Gives the events of its turn that come after the one named by
/// `Last-Event-ID` or `starting_after`, each once and in order, then those to
/// come, until `done` or `error`; comments as heartbeats. Any replica answers,
/// also when the turn has ended long ago: from a day on with the stored text.
/// A stream that ends without `done` or `error` goes on where it is asked for again.
#[utoipa::path(get, path = "/chat/messages/{id}/stream", tag = "chat",
    params(("id" = Uuid, Path, description = "Answer"), StreamQuery,
        ("Last-Event-ID" = Option<i32>, Header, description = "The id of the last event that came")),
    responses((status = 200, description = "Events", content_type = "text/event-stream", body = String), Problems))]
pub async fn attach(
    State(state): State<AppState>,
    user: CurrentUser,
    headers: HeaderMap,
    Path(id): Path<Uuid>,
    Query(query): Query<StreamQuery>,
) -> Result<Response> {
    let after = last_event_id(&headers)?.or(query.starting_after).unwrap_or(0);
    require_answer(&state, user.id, MessageId(id)).await?;
    Ok(respond::stream(&state, follow::follow(&state, user.id, MessageId(id), after).await?))
}

/// What a client had when it was cut; browsers send it on their own.
fn last_event_id(headers: &HeaderMap) -> Result<Option<i32>> {
    let Some(given) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let number = given.to_str().ok().and_then(|text| text.trim().parse().ok()).filter(|number| *number >= 0);
    number
        .map(Some)
        .ok_or_else(|| Error::field("Last-Event-ID", "must be the id of an event: a whole number"))
}

/// Only answers have a turn.
async fn require_answer(state: &AppState, user: UserId, id: MessageId) -> Result<()> {
    let message = conversation::find_owned_message(&state.core, user, id).await?;
    if message.role == Role::Assistant { Ok(()) } else { Err(Error::NotFound("answer")) }
}

/// A ticket.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StreamTicket {
    /// For the parameter `ticket` of the stream, once.
    pub ticket: String,
    /// Seconds until it expires.
    pub expires_in: u64,
}

/// Make a ticket that opens an answer's stream.
///
/// For `EventSource` in browsers, which cannot send `Authorization`: within a
/// minute the ticket opens this one stream once, for this user.
#[utoipa::path(post, path = "/chat/messages/{id}/stream-ticket", tag = "chat",
    params(("id" = Uuid, Path, description = "Answer")),
    responses((status = 201, body = StreamTicket), Problems))]
pub async fn ticket(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<StreamTicket>)> {
    require_answer(&state, user.id, MessageId(id)).await?;
    let ticket = auth::stream_ticket(&state.core, user.id, MessageId(id)).await?;
    let ticket = StreamTicket {
        ticket: ticket.expose_secret().to_owned(),
        expires_in: auth::STREAM_TICKET_LIFE.as_secs(),
    };
    Ok((StatusCode::CREATED, Json(ticket)))
}

/// Cancel an answer.
///
/// What it has said so far is kept, and marked `cancelled`; its stream ends with
/// `done`. Any replica may be asked. 200 with the message once it has ended,
/// also when it had before; 202 when the process that writes it has been asked.
#[utoipa::path(post, path = "/chat/messages/{id}/cancel", tag = "chat",
    params(("id" = Uuid, Path, description = "Answer")),
    responses((status = 200, description = "It has ended", body = MessageView),
        (status = 202, description = "It will end in a moment", body = MessageView), Problems))]
pub async fn cancel(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
) -> Result<(StatusCode, Json<MessageView>)> {
    let has_ended = stop::cancel(&state, user.id, MessageId(id)).await?;
    let view = conversation::message_view(&state.core, user.id, MessageId(id)).await?;
    Ok((if has_ended { StatusCode::OK } else { StatusCode::ACCEPTED }, Json(view)))
}
