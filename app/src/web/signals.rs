//! What the producer of a log is told from outside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Why a producer ends before it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Somebody who may asked for it.
    Cancelled,
    /// The process ends.
    Shutdown,
}

/// Signals to one producer. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Signals(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    why: OnceLock<Stop>,
    raised: CancellationToken,
    watched: AtomicBool,
    decided: Notify,
}

impl Signals {
    /// Asks the producer to end. The first reason counts.
    pub fn stop(&self, why: Stop) {
        self.0.why.get_or_init(|| why);
        self.0.raised.cancel();
    }

    /// Waits until it is asked to end; says why.
    pub async fn stopped(&self) -> Stop {
        self.0.raised.cancelled().await;
        // Set before it is raised.
        self.0.why.get().copied().unwrap_or(Stop::Shutdown)
    }

    /// Something the producer may be waiting for was decided outside.
    pub fn decide(&self) {
        self.0.decided.notify_one();
    }

    /// Waits until something is decided; a decision before the call counts.
    pub async fn decided(&self) {
        self.0.decided.notified().await;
    }

    /// Another process follows from now on.
    pub fn watch(&self) {
        self.0.watched.store(true, Ordering::Relaxed);
    }

    /// Whether another process follows.
    pub fn is_watched(&self) -> bool {
        self.0.watched.load(Ordering::Relaxed)
    }
}
