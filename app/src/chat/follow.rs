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
use tokio::sync::watch;
use tokio::time::Instant;

use super::{abandoned, queries, signals};
use crate::conversation;
use crate::error::{CanFail, Error, Result};
use crate::state::AppState;
use crate::telemetry::metrics::Running;
use crate::web::live::{Entry, Reader};

/// A turn of another process is looked at this often, unless it is told of.
const POLL: Duration = Duration::from_millis(250);
/// And this often while it is.
const POLL_TOLD: Duration = Duration::from_secs(1);
/// Who is not told asks again to be, this often.
const ASK_AGAIN: Duration = Duration::from_secs(5);
/// Events read at once.
const EVENTS_MAX: u64 = 500;

/// The reading end of a turn.
#[derive(Debug)]
pub struct Follower {
    state: AppState,
    id: MessageId,
    after: i32,
    /// The log of this process, while it is being written.
    live: Option<Reader>,
    /// What another process writes.
    far: Option<Far>,
    ready: VecDeque<Entry>,
    is_over: bool,
    _counted: Running,
}

/// How one hears of a turn that another process writes.
#[derive(Debug)]
struct Far {
    grown: watch::Receiver<i32>,
    asked_at: Instant,
    is_told: bool,
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
        Self { state, id, after, live, far: None, ready: VecDeque::new(), is_over: false, _counted: counted }
    }

    /// The next event; none after the last.
    pub async fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                self.after = self.after.max(entry.seq);
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
            // Without a number: the turn goes on, and so may who follows it.
            let detail = "the core database is not available; the answer goes on without it";
            let data = json!({ "code": "core_unavailable", "detail": detail, "retryable": true });
            self.ready.push_back(Entry { seq: 0, event: "error".to_owned(), data: Arc::new(data) });
        }
    }

    async fn try_read(&mut self) -> Result<()> {
        let core = &self.state.core;
        // In this order: what has ended by now has all its events.
        let standing = core.promptly(queries::standing(core, self.id)).await?;
        let events = queries::events_after(core, self.id, self.after, EVENTS_MAX).await?;
        let has_gap = events.first().is_some_and(|next| next.seq > self.after.saturating_add(1));
        match (standing, events.is_empty()) {
            (None, true) => self.push("error", gone()),
            (_, false) if !has_gap => self.ready.extend(events),
            // Its writer fills a gap that a crash of Postgres left in its log.
            (Some((Status::Streaming, true)), _) => self.wait().await,
            (Some((Status::Streaming, false)), _) => {
                super::interrupt_expired(&self.state).await?;
            }
            // Its beginning is gone, and its end goes too: the stored text says it all.
            (_, false) => self.retell().await?,
            (Some(_), true) => self.end().await?,
        }
        Ok(())
    }

    /// Waits until there may be more. A process that stops lets go of turns that
    /// others write: whoever follows them goes on at another replica.
    async fn wait(&mut self) {
        let (state, id) = (&self.state, self.id);
        let Some(far) = &mut self.far else {
            // What is written from here on wakes; what was written before is read next.
            let far = Far { grown: state.far.follow(id.0), asked_at: Instant::now(), is_told: false };
            self.far = Some(far);
            signals::ask_to_be_told(&state.core, id).await.can_fail("the turn is followed by the clock");
            return;
        };
        let pause = if far.is_told { POLL_TOLD } else { POLL };
        tokio::select! {
            grown = tokio::time::timeout(pause, far.grown.changed()) => far.is_told = grown.is_ok(),
            () = state.shutdown.cancelled() => self.is_over = true,
        }
        if !far.is_told && far.asked_at.elapsed() > ASK_AGAIN {
            far.asked_at = Instant::now();
            signals::ask_to_be_told(&state.core, id).await.can_fail("the turn is followed by the clock");
        }
    }

    /// The turn has ended and there are no more events. Either the client has
    /// them all, or the last one was never written, or their day is over: then
    /// the stored message tells what they would have told. So it does for a client
    /// that has more of them than there are: Postgres lost them in a crash.
    async fn end(&mut self) -> Result<()> {
        let core = &self.state.core;
        if queries::ending(core, self.id).await?.is_some_and(|seq| self.after <= seq) {
            self.is_over = true;
            return Ok(());
        }
        self.retell().await
    }

    /// Tells what the log would have told, as far as the stored message can. A
    /// client that has some of the text gets it again in `done` only.
    async fn retell(&mut self) -> Result<()> {
        let Some(message) = queries::message(&self.state.core, self.id).await? else {
            self.push("error", gone());
            return Ok(());
        };
        if self.after == 0 && !message.content.is_empty() {
            self.push("token", json!({ "delta": message.content }));
        }
        match message.status {
            Status::Complete | Status::Cancelled => {
                let mut done = json!({ "content": message.content, "usage": usage(&message), "latency_ms": message.latency_ms });
                if message.status == Status::Cancelled {
                    done["cancelled"] = json!(true);
                }
                self.push("done", done);
            }
            Status::Failed => {
                self.push("error", message.error.unwrap_or_else(|| json!({ "code": "internal" })));
            }
            Status::Interrupted | Status::Streaming => self.push("error", abandoned::interruption()),
        }
        Ok(())
    }

    /// An event that is in no log: it comes after everything that is.
    fn push(&mut self, event: &str, data: Value) {
        let last = self.ready.back().map_or(self.after, |entry| entry.seq);
        self.ready.push_back(Entry {
            seq: last.saturating_add(1),
            event: event.to_owned(),
            data: Arc::new(data),
        });
    }
}

fn gone() -> Value {
    json!({ "code": "deleted", "detail": "the message was deleted", "retryable": false })
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
pub fn failure(data: &Value) -> Error {
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
