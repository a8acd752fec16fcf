//! What a turn sends: numbered, stored, then sent.
//!
//! An event's id is its number in `message_events`. It is written before any
//! client sees it, so what was sent can be sent again, from any replica, under
//! the same number. The first words go out at once; later text is gathered for a
//! moment, so that a fast model costs one row a flush and not one a token.

use std::sync::Arc;
use std::time::Duration;

use entity::ids::MessageId;
use serde_json::{Value, json};
use tokio::time::Instant;
use uuid::Uuid;

use super::signals;
use super::stop::Flushing;
use crate::db::CoreDb;
use crate::db::journal::{Append, Journal, Line};
use crate::error::{CanFail, Error, Result};
use crate::web::live::{Entry, Writer};

/// Text waits this long at most before it is sent.
pub(super) const FLUSH_EVERY: Duration = Duration::from_millis(50);

/// The first events wait this long for those that follow them.
const MOMENT: Duration = Duration::from_millis(15);

/// The log of one turn.
#[derive(Debug)]
pub(super) struct TurnLog {
    journal: Journal,
    message_id: MessageId,
    lease_owner: Uuid,
    writer: Writer,
    next_seq: i32,
    text: String,
    waiting: Vec<(&'static str, Value)>,
    flushed_at: Option<Instant>,
    /// The first words have gone out; from then on text is gathered.
    has_begun: bool,
    flushing: Flushing,
}

impl TurnLog {
    pub(super) fn new(journal: Journal, message_id: MessageId, lease_owner: Uuid, writer: Writer) -> Self {
        Self {
            journal,
            message_id,
            lease_owner,
            writer,
            next_seq: 1,
            text: String::new(),
            waiting: Vec::new(),
            flushed_at: None,
            has_begun: false,
            flushing: Flushing::default(),
        }
    }

    /// Whether entries are on their way, for whoever may end the turn.
    pub(super) fn flushing(&self) -> Flushing {
        self.flushing.clone()
    }

    /// More of the answer.
    pub(super) fn text(&mut self, delta: &str) {
        self.text.push_str(delta);
    }

    /// Any other event; text gathered so far goes before it.
    pub(super) fn event(&mut self, name: &'static str, data: Value) {
        self.gather();
        self.waiting.push((name, data));
    }

    /// When what is waiting has to be sent; none if nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        if self.text.is_empty() && self.waiting.is_empty() {
            return None;
        }
        if !self.has_begun && !self.text.is_empty() {
            return Some(Instant::now());
        }
        Some(self.flushed_at.map_or_else(Instant::now, |at| at + FLUSH_EVERY))
    }

    /// Stores what waits, then sends it. Fails if the lease is lost.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let _underway = self.flushing.begin();
        let entries = self.take();
        if entries.is_empty() {
            return Ok(());
        }
        self.flushed_at = Some(Instant::now());
        if !self.journal.append(self.lines(&entries)).await? && !self.mend(&entries).await? {
            return Err(lease_lost());
        }
        self.writer.append(entries);
        Ok(())
    }

    /// Stores what the journal has lost, and what comes after it. False: it has
    /// lost nothing, or the lease is lost.
    async fn mend(&self, entries: &[Entry]) -> Result<bool> {
        let last = self.journal.last(self.message_id.0).await?;
        let missing = self.writer.after(last);
        if missing.is_empty() {
            return Ok(false);
        }
        tracing::warn!(message.id = %self.message_id, lost = missing.len(), "the journal of a turn had lost events");
        let whole: Vec<Entry> = missing.into_iter().chain(entries.iter().cloned()).collect();
        self.journal.append(self.lines(&whole)).await
    }

    /// Does the work of a moment. If it takes longer, what waits goes out beside
    /// it: one statement less where nobody would notice.
    pub(super) async fn beside<T>(&mut self, work: impl Future<Output = T> + Unpin) -> Result<T> {
        let mut work = work;
        if let Ok(done) = tokio::time::timeout(MOMENT, &mut work).await {
            return Ok(done);
        }
        let (sent, done) = tokio::join!(self.flush(), work);
        sent?;
        Ok(done)
    }

    /// What waits, numbered, for a writer that stores it together with something else.
    pub(super) fn take(&mut self) -> Vec<Entry> {
        self.gather();
        let waiting = std::mem::take(&mut self.waiting);
        waiting
            .into_iter()
            .map(|(event, data)| {
                let seq = self.next_seq;
                self.next_seq += 1;
                Entry { seq, event: event.to_owned(), data: Arc::new(data) }
            })
            .collect()
    }

    /// Entries as they are stored.
    fn lines(&self, entries: &[Entry]) -> Append {
        let line =
            |entry: &Entry| Line { seq: entry.seq, event: entry.event.clone(), data: entry.data.to_string() };
        Append {
            message_id: self.message_id.0,
            lease_owner: self.lease_owner,
            is_watched: self.writer.signals().is_watched(),
            lines: entries.iter().map(line).collect(),
        }
    }

    /// Sends entries that are stored by now, and tells who follows from afar.
    pub(super) async fn send(&self, core: &CoreDb, entries: Vec<Entry>) {
        let newest = entries.last().map(|entry| entry.seq).filter(|_| self.writer.signals().is_watched());
        self.writer.append(entries);
        if let Some(seq) = newest {
            signals::tell(core, self.message_id, seq).await.can_fail("followers look by the clock");
        }
    }

    fn gather(&mut self) {
        if !self.text.is_empty() {
            self.has_begun = true;
            let delta = std::mem::take(&mut self.text);
            self.waiting.push(("token", json!({ "delta": delta })));
        }
    }
}

/// Another process holds the turn, or it was ended from outside.
pub(super) fn lease_lost() -> Error {
    Error::conflict("lease_lost", "the turn is no longer this process's to write")
}
