//! Whether anything may be waiting in the outbox, without asking it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::jobs::listener::Heard;

/// Readers must not see what a waiting event deletes, but nearly always
/// nothing waits. A process that listens and has found the outbox empty since
/// the last notification knows so without a query; any other asks.
#[derive(Debug, Default)]
pub(super) struct Stillness {
    listening: AtomicBool,
    /// Counts disturbances; 0 is before the first.
    disturbances: AtomicU64,
    /// One more than the number of disturbances when nothing waited.
    still_at: AtomicU64,
}

impl Stillness {
    /// Something may wait from now on.
    pub(super) fn disturb(&self) {
        self.disturbances.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn hear(&self, heard: Heard<'_>) {
        self.disturb();
        match heard {
            Heard::Connected => self.listening.store(true, Ordering::SeqCst),
            Heard::Lost => self.listening.store(false, Ordering::SeqCst),
            Heard::Notified(_) => {}
        }
    }

    /// To be taken before the outbox is looked at, and given to [`Self::settle`].
    pub(super) fn now(&self) -> u64 {
        self.disturbances.load(Ordering::SeqCst)
    }

    /// Nothing waited when `since` was taken.
    pub(super) fn settle(&self, since: u64) {
        self.still_at.store(since + 1, Ordering::SeqCst);
    }

    /// Whether nothing can be waiting.
    pub(super) fn is_still(&self) -> bool {
        self.listening.load(Ordering::SeqCst) && self.still_at.load(Ordering::SeqCst) == self.now() + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn still_only_when_listening_and_empty_since_the_last_word() {
        let stillness = Stillness::default();
        stillness.settle(stillness.now());
        assert!(!stillness.is_still(), "nobody listens");
        stillness.hear(Heard::Connected);
        assert!(!stillness.is_still(), "nobody has looked");
        let before = stillness.now();
        stillness.settle(before);
        assert!(stillness.is_still());
        stillness.hear(Heard::Notified(""));
        assert!(!stillness.is_still());
        stillness.settle(before);
        assert!(!stillness.is_still(), "it was looked at before the notification");
        stillness.settle(stillness.now());
        assert!(stillness.is_still());
        stillness.hear(Heard::Lost);
        stillness.settle(stillness.now());
        assert!(!stillness.is_still(), "a notification can be missed");
    }
}
