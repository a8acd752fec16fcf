//! Turns the events of a streamed answer into deltas.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::calls::Calls;
use super::connection::Connection;
use super::events::Events;
use super::wire::{Chunk, Delta, Words, status_of_error, usage_of, words_of_error};
use crate::llm::{ChatDelta, Cut, ModelError};

/// Once the answer is complete only a usage count and the end mark can follow;
/// a server that sends neither must not hold the answer up.
const LINGER: Duration = Duration::from_secs(5);

/// A streamed answer that is being read.
pub(super) struct Reader {
    connection: Arc<Connection>,
    events: Events,
    /// Read and not handed out.
    ready: VecDeque<ChatDelta>,
    /// Longest wait for the next event, and when it ends.
    limit: Duration,
    deadline: Instant,
    idle: Duration,
    /// The whole answer's limit, and when it ends: a server that goes on
    /// sending events without a word is not waited for for ever.
    whole: (Duration, Instant),
    /// Tools that the model calls; handed out at the end.
    calls: Calls,
    /// The provider said that the answer is complete.
    complete: bool,
    usage_seen: bool,
    over: bool,
}

impl Reader {
    /// Reads `events`, the first of which must come until `deadline`, `limit` after the request.
    pub(super) fn new(
        connection: Arc<Connection>,
        events: Events,
        (limit, deadline): (Duration, Instant),
        idle: Duration,
        whole: (Duration, Instant),
    ) -> Self {
        Self {
            connection,
            events,
            ready: VecDeque::new(),
            limit,
            deadline,
            idle,
            whole,
            calls: Calls::default(),
            complete: false,
            usage_seen: false,
            over: false,
        }
    }

    /// The next delta; nothing after the end and after an error.
    pub(super) async fn next(&mut self) -> Option<Result<ChatDelta, ModelError>> {
        loop {
            if let Some(delta) = self.ready.pop_front() {
                return Some(Ok(delta));
            }
            if self.over {
                let calls = self.calls.finish();
                return match calls {
                    Ok(calls) if calls.is_empty() => None,
                    calls => Some(calls.map(ChatDelta::ToolCalls)),
                };
            }
            if let Err(error) = self.read().await {
                self.over = true;
                // After the last word, a lost end mark is no loss.
                if !self.complete {
                    self.calls = Calls::default();
                    return Some(Err(error));
                }
            }
        }
    }

    async fn read(&mut self) -> Result<(), ModelError> {
        let event = timeout_at(self.deadline.min(self.whole.1), self.events.next()).await;
        let event = event.map_err(|_| self.timed_out())?;
        if Instant::now() > self.whole.1 {
            return Err(self.timed_out());
        }
        match event {
            Some(Ok(chunk)) => self.take(chunk)?,
            Some(Err(broken)) => return Err(self.connection.broken(broken)),
            // The events end only at `[DONE]`; a closed connection is an error.
            None => self.over = true,
        }
        self.limit = if self.complete { self.idle.min(LINGER) } else { self.idle };
        self.deadline = Instant::now() + self.limit;
        Ok(())
    }

    fn timed_out(&self) -> ModelError {
        if Instant::now() >= self.whole.1 {
            return ModelError::TooLong { limit_s: self.whole.0.as_secs() };
        }
        ModelError::TimedOut { waited_s: self.limit.as_secs() }
    }

    fn take(&mut self, chunk: Chunk) -> Result<(), ModelError> {
        if let Some(error) = chunk.error.filter(|error| !error.is_null()) {
            return Err(self.failure(&error));
        }
        // One answer was asked for, so there is one choice.
        if let Some(choice) = chunk.choices.and_then(|choices| choices.into_iter().next()) {
            let Delta { content: Words(text), tool_calls } = choice.delta.unwrap_or_default();
            if !text.is_empty() {
                self.ready.push_back(ChatDelta::Text(text));
            }
            if let Some(pieces) = &tool_calls {
                self.calls.push(pieces)?;
            }
            // Some servers send an empty reason with every event.
            let reason = choice.finish_reason.filter(|reason| !reason.is_empty() && !self.complete);
            self.complete |= reason.is_some();
            match reason.as_deref() {
                Some("length") => self.ready.push_back(ChatDelta::Cut(Cut::Length)),
                Some("content_filter") => self.ready.push_back(ChatDelta::Cut(Cut::Filter)),
                _ => {}
            }
        }
        // Some servers send a running count with every event: the last one counts,
        // and it is the last because nothing but the end comes after it.
        let usage = chunk.usage.as_ref().filter(|_| self.complete && !self.usage_seen);
        if let Some(usage) = usage.and_then(usage_of) {
            self.usage_seen = true;
            self.ready.push_back(ChatDelta::Usage(usage));
        }
        Ok(())
    }

    fn failure(&self, error: &serde_json::Value) -> ModelError {
        let detail = self.connection.clean(&words_of_error(error));
        match status_of_error(error) {
            Some(429) => ModelError::RateLimited { detail, retry_after_s: None },
            // A status was sent before the stream, and it was a good one: what
            // fails now fails on the provider's side.
            status => ModelError::Refused { status: status.unwrap_or(500), detail },
        }
    }
}
