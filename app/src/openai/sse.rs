//! Streams of this face.

use std::convert::Infallible;
use std::time::Duration;

use axum::http::header;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};

use crate::state::AppState;

/// Events as they come, comments while nothing does.
pub(super) fn respond(state: &AppState, events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let heartbeat = Duration::from_secs(state.settings.chat.heartbeat_s);
    // Proxies must not gather events.
    let headers =
        [(header::CACHE_CONTROL, "no-cache"), (header::HeaderName::from_static("x-accel-buffering"), "no")];
    let events = events.map(Ok::<_, Infallible>);
    (headers, Sse::new(events).keep_alive(KeepAlive::new().interval(heartbeat))).into_response()
}
