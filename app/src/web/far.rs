//! Who in this process follows logs that other processes write.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

/// The followed logs, by id, with the newest entry heard of. Memory is bounded
/// by the followers: a log that nobody follows any more goes with the next one.
#[derive(Clone, Debug, Default)]
pub struct FarLogs {
    followed: Arc<Mutex<HashMap<Uuid, watch::Sender<i32>>>>,
}

impl FarLogs {
    /// Wakes whoever holds this when the log has grown.
    pub fn follow(&self, id: Uuid) -> watch::Receiver<i32> {
        let mut followed = self.lock();
        followed.retain(|_, newest| newest.receiver_count() > 0);
        followed.entry(id).or_insert_with(|| watch::channel(0).0).subscribe()
    }

    /// The log has an entry with this number.
    pub fn tell(&self, id: Uuid, seq: i32) {
        if let Some(newest) = self.lock().get(&id) {
            newest.send_replace(seq);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, watch::Sender<i32>>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn followers_wake_and_nobody_is_kept() {
        let logs = FarLogs::default();
        let id = Uuid::now_v7();
        logs.tell(id, 1);
        let mut one = logs.follow(id);
        let mut other = logs.follow(id);
        logs.tell(id, 2);
        one.changed().await.unwrap();
        other.changed().await.unwrap();
        drop((one, other));
        let _next = logs.follow(Uuid::now_v7());
        assert_eq!(logs.lock().len(), 1);
    }
}
