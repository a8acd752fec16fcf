//! The stream of a response that is kept: from any of its events on, at any replica.

use std::collections::VecDeque;

use axum::response::Response;
use axum::response::sse::Event;
use entity::ids::{MessageId, UserId};
use futures::{Stream, StreamExt, stream};
use serde_json::Value;

use super::object::Head;
use super::stored;
use super::telling::Telling;
use crate::chat::{Follower, brought};
use crate::openai::sse;
use crate::state::AppState;

/// Whose response is followed, and from where.
#[derive(Debug)]
pub(super) struct Followed {
    pub(super) user: UserId,
    pub(super) id: MessageId,
    /// What is told again of its request.
    pub(super) request: Value,
    /// The last event that the client has.
    pub(super) after: Option<u64>,
}

pub(super) fn respond(state: &AppState, turn: Follower, followed: Followed) -> Response {
    let telling = Telling::new(Head::new(followed.id.0, followed.request.clone()));
    let reading = Reading {
        state: state.clone(),
        turn,
        followed,
        telling,
        ready: VecDeque::new(),
        has_begun: false,
        is_over: false,
    };
    sse::respond(state, reading.events().map(|event| named(&event)))
}

/// An event as it is sent.
pub(super) fn named(event: &Value) -> Event {
    Event::default().event(event["type"].as_str().unwrap_or_default()).data(event.to_string())
}

struct Reading {
    state: AppState,
    turn: Follower,
    followed: Followed,
    telling: Telling,
    ready: VecDeque<Value>,
    has_begun: bool,
    is_over: bool,
}

impl Reading {
    fn events(self) -> impl Stream<Item = Value> {
        stream::unfold(self, async |mut reading| {
            let event = reading.next().await?;
            Some((event, reading))
        })
    }

    /// The next event the client does not have. The stream ends early, and can
    /// be gone on with, where the turn cannot be followed any further here.
    async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            if self.is_over {
                return None;
            }
            self.read().await;
        }
    }

    async fn read(&mut self) {
        let Some(entry) = self.turn.next().await else {
            self.is_over = true;
            return;
        };
        // A log that lacks its first event is gone.
        if !std::mem::replace(&mut self.has_begun, true) && entry.event != "message_created" {
            self.is_over = true;
            if entry.seq > 0 {
                self.retell().await;
            }
            return;
        }
        let after = self.followed.after;
        match self.telling.take(&entry) {
            Some(events) => {
                let is_new =
                    |event: &Value| after.is_none_or(|after| event["sequence_number"].as_u64() > Some(after));
                self.ready.extend(events.into_iter().filter(is_new));
            }
            None => self.is_over = true,
        }
    }

    async fn retell(&mut self) {
        match brought::kept(&self.state, self.followed.user, self.followed.id).await {
            Ok(kept) => self.ready.extend(stored::events(&kept, self.followed.after)),
            Err(error) => tracing::warn!(%error, "a response cannot be told again"),
        }
    }
}
