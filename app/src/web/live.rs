//! Logs that grow while they are read.
//!
//! A producer appends; any number of readers follow, each at its own pace and
//! from any place. A slow reader loses nothing and slows nobody, and a
//! producer does not know whether anyone reads. Memory is bounded by what the
//! producer appends; the log goes when the producer and the last reader do.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;
use uuid::Uuid;

use super::signals::{Signals, Stop};

/// One entry: its number, from 1, its name and its data.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Number within the log.
    pub seq: i32,
    /// Event name.
    pub event: String,
    /// Event data.
    pub data: Arc<serde_json::Value>,
}

#[derive(Debug, Default)]
struct Shared {
    entries: Mutex<Vec<Entry>>,
    signals: Signals,
}

/// The writing end. Dropping it closes the log.
#[derive(Debug)]
pub struct Writer {
    shared: Arc<Shared>,
    length: watch::Sender<usize>,
}

/// The reading end.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    length: watch::Receiver<usize>,
    next: usize,
}

/// What is needed to make a reader, without keeping the log alive.
type Open = (Weak<Shared>, watch::Receiver<usize>);

/// The logs being written in this process, by id.
#[derive(Clone, Debug, Default)]
pub struct LiveLogs {
    logs: Arc<Mutex<HashMap<Uuid, Open>>>,
}

impl LiveLogs {
    /// Starts a log. It can be opened by id until its writer is dropped.
    pub fn start(&self, id: Uuid) -> Writer {
        let shared = Arc::new(Shared::default());
        let (length, receiver) = watch::channel(0);
        let mut logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        logs.retain(|_, (log, _)| log.strong_count() > 0);
        logs.insert(id, (Arc::downgrade(&shared), receiver));
        Writer { shared, length }
    }

    /// Opens a log that is being written, from its first entry.
    pub fn open(&self, id: Uuid) -> Option<Reader> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        let (shared, length) = logs.get(&id)?;
        Some(Reader { shared: shared.upgrade()?, length: length.clone(), next: 0 })
    }

    /// The signals to whoever writes this log here; none if nobody does.
    pub fn signals(&self, id: Uuid) -> Option<Signals> {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        Some(logs.get(&id)?.0.upgrade()?.signals.clone())
    }

    /// Asks every producer to end.
    pub fn stop_all(&self, why: Stop) {
        let logs = self.logs.lock().unwrap_or_else(PoisonError::into_inner);
        for log in logs.values().filter_map(|(log, _)| log.upgrade()) {
            log.signals.stop(why);
        }
    }
}

impl Writer {
    /// Appends entries; readers wake.
    pub fn append(&self, new: impl IntoIterator<Item = Entry>) {
        let mut entries = self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.extend(new);
        let length = entries.len();
        drop(entries);
        self.length.send_replace(length);
    }

    /// What was appended after the entry of this number.
    pub fn after(&self, seq: i32) -> Vec<Entry> {
        let entries = self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().filter(|entry| entry.seq > seq).cloned().collect()
    }

    /// What this producer is told.
    pub fn signals(&self) -> Signals {
        self.shared.signals.clone()
    }

    /// A reader from the first entry.
    pub fn reader(&self) -> Reader {
        Reader { shared: Arc::clone(&self.shared), length: self.length.subscribe(), next: 0 }
    }
}

impl Reader {
    /// The next entry; none once the writer is gone and everything was read.
    pub async fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.entry() {
                return Some(entry);
            }
            if self.length.changed().await.is_err() {
                return self.entry();
            }
        }
    }

    fn entry(&mut self) -> Option<Entry> {
        let entries = self.shared.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = entries.get(self.next).cloned()?;
        self.next += 1;
        Some(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(seq: i32) -> Entry {
        Entry { seq, event: "token".to_owned(), data: Arc::new(serde_json::json!({"n": seq})) }
    }

    #[tokio::test]
    async fn a_late_reader_sees_everything_once_and_then_the_end() {
        let logs = LiveLogs::default();
        let id = Uuid::now_v7();
        let writer = logs.start(id);
        writer.append([entry(1), entry(2)]);
        let mut reader = logs.open(id).unwrap();
        assert_eq!(reader.next().await.unwrap().seq, 1);
        writer.append([entry(3)]);
        drop(writer);
        assert_eq!(reader.next().await.unwrap().seq, 2);
        assert_eq!(reader.next().await.unwrap().seq, 3);
        assert_eq!(reader.next().await, None);
    }
}
