//! Following a turn: from any event on, from any replica, to its end.
//!
//! In the process that writes it, the turn's own log is followed. Anywhere
//! else, and when that log ends without a last word, `message_events` is read
//! until the turn has ended, which its lease bounds. What a client gets ends
//! with `done` or `error`, unless it had that event before.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use entity::core::message::{self, Status};
use entity::ids::{MessageId, UserId};
use futures::Stream;
use serde_json::{Value, json};

use super::queries;
use crate::conversation;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::telemetry::metrics::Running;
use crate::web::live::{Entry, Reader};

/// A turn of another process is looked at this often.
const POLL: Duration = Duration::from_millis(250);
/// Events read at once.
const EVENTS_MAX: u64 = 500;

/// The reading end of a turn.
#[derive(Debug)]
pub(super) struct Follower {
    state: AppState,
    id: MessageId,
    after: i32,
    /// The log of this process, while it is being written.
    live: Option<Reader>,
    ready: VecDeque<Entry>,
    is_over: bool,
    _counted: Running,
}

/// Follows a turn of the user's from the event after `after` on; 0 is the beginning.
pub(super) async fn follow(state: &AppState, user: UserId, id: MessageId, after: i32) -> Result<Follower> {
    conversation::find_owned_message(&state.core, user, id).await?;
    Ok(Follower::new(state, id, state.live.open(id.0), after))
}

impl Follower {
    /// Follows a turn that has just begun here.
    pub(super) fn of(state: &AppState, id: MessageId, log: Reader) -> Self {
        Self::new(state, id, Some(log), 0)
    }

    fn new(state: &AppState, id: MessageId, live: Option<Reader>, after: i32) -> Self {
        let counted = state.metrics.stream();
        let state = state.clone();
        Self { state, id, after, live, ready: VecDeque::new(), is_over: false, _counted: counted }
    }

    /// The next event; none after the last.
    pub(super) async fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.after = entry.seq;
                self.is_over |= is_last(&entry);
                return Some(entry);
            }
            if self.is_over {
                return None;
            }
            match &mut self.live {
                Some(log) => match log.next().await {
                    Some(entry) if entry.seq > self.after => self.ready.push_back(entry),
                    Some(_) => {}
                    None => self.live = None,
                },
                None => self.read().await,
            }
        }
    }

    /// The same as a stream.
    pub(super) fn events(self) -> impl Stream<Item = Entry> {
        futures::stream::unfold(self, async |mut follower| {
            let entry = follower.next().await?;
            Some((entry, follower))
        })
    }

    async fn read(&mut self) {
        if let Err(error) = self.try_read().await {
            tracing::warn!(%error, message.id = %self.id, "a turn cannot be followed");
            self.close(
                "core_unavailable",
                "the core database is not available; the answer goes on without it",
            );
        }
    }

    async fn try_read(&mut self) -> Result<()> {
        let core = &self.state.core;
        // In this order: what has ended by now has all its events.
        let standing = core.promptly(queries::standing(core, self.id)).await?;
        let events = queries::events_after(core, self.id, self.after, EVENTS_MAX).await?;
        if !events.is_empty() {
            self.ready.extend(events);
            return Ok(());
        }
        match standing {
            None => self.close("deleted", "the message was deleted"),
            Some((Status::Streaming, true)) => tokio::time::sleep(POLL).await,
            Some((Status::Streaming, false)) => {
                queries::interrupt_expired(core, super::BATCH).await?;
            }
            Some(_) => self.end().await?,
        }
        Ok(())
    }

    /// The turn has ended and there are no more events. Either the client has
    /// them all, or the last one was never written, or their day is over: then
    /// the stored message tells what they would have told.
    async fn end(&mut self) -> Result<()> {
        let core = &self.state.core;
        if queries::has_ending(core, self.id).await? {
            self.is_over = true;
            return Ok(());
        }
        let Some(message) = queries::message(core, self.id).await? else {
            self.close("deleted", "the message was deleted");
            return Ok(());
        };
        if self.after == 0 && !message.content.is_empty() {
            self.push("token", json!({ "delta": message.content }));
        }
        match message.status {
            Status::Complete => {
                let done = json!({ "content": message.content, "usage": usage(&message), "latency_ms": message.latency_ms });
                self.push("done", done);
            }
            Status::Failed => {
                self.push("error", message.error.unwrap_or_else(|| json!({ "code": "internal" })));
            }
            Status::Interrupted | Status::Cancelled | Status::Streaming => {
                self.close("turn_interrupted", "the turn was interrupted; send again");
            }
        }
        Ok(())
    }

    fn close(&mut self, code: &str, detail: &str) {
        self.push("error", json!({ "code": code, "detail": detail, "retryable": true }));
    }

    /// An event that is in no log: it comes after everything that is.
    fn push(&mut self, event: &str, data: Value) {
        let last = self.ready.back().map_or(self.after, |entry| entry.seq);
        self.ready.push_back(Entry { seq: last + 1, event: event.to_owned(), data: Arc::new(data) });
    }
}

fn usage(message: &message::Model) -> Value {
    match (message.prompt_tokens, message.completion_tokens, message.total_tokens) {
        (Some(prompt), Some(completion), Some(total)) => {
            json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total })
        }
        _ => Value::Null,
    }
}

/// Whether nothing comes after this event.
pub(super) fn is_last(entry: &Entry) -> bool {
    matches!(entry.event.as_str(), "done" | "error")
}

/// The error event's words, as a problem of a request that waited for the answer.
pub(super) fn failure(data: &Value) -> Error {
    let code = data["code"].as_str().unwrap_or("internal");
    let detail = data["detail"].as_str().unwrap_or("the turn failed").to_owned();
    let unavailable = |code| Error::Unavailable { code, detail: detail.clone(), source: None };
    match code {
        "turn_interrupted" => unavailable("turn_interrupted"),
        "core_unavailable" => unavailable("core_unavailable"),
        "deleted" => Error::NotFound("message"),
        code => Error::Upstream { code: "turn_failed", detail: format!("{detail} ({code})") },
    }
}
