//! Delivers in the background.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{CHANNEL, Outbox, queue};
use crate::error::Result;
use crate::jobs::Listener;

/// While ai is away it is asked again after this long, twice as long each time.
const ASK_FIRST: Duration = Duration::from_millis(250);
/// The longest wait between two questions: so long may what was deleted take
/// to go, once ai is back and nobody reads it.
const ASK_LAST: Duration = Duration::from_secs(5);

/// A relay begins this long after its process: a start has better things to do.
const STAGGER: Duration = Duration::from_millis(150);

/// Delivers due events until it is told to stop.
#[derive(Clone, Debug)]
pub struct Relay {
    outbox: Outbox,
    poll: Duration,
    wake: Arc<Notify>,
}

impl Relay {
    /// A relay that has not started yet.
    pub fn new(outbox: Outbox, poll: Duration) -> Self {
        Self { outbox, poll, wake: Arc::new(Notify::new()) }
    }

    /// Wakes when an event is committed, on whatever replica.
    pub fn listen(&self, listener: &mut Listener) {
        let (wake, stillness) = (Arc::clone(&self.wake), Arc::clone(&self.outbox.stillness));
        listener.on(CHANNEL, move |heard| {
            stillness.hear(heard);
            wake.notify_one();
        });
    }

    /// Starts it. What is being delivered when it is told to stop is finished.
    pub fn start(self, tasks: &TaskTracker, stop: &CancellationToken) {
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::time::sleep(STAGGER).await;
            self.run(stop).await;
        });
    }

    async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let since = self.outbox.stillness.now();
            match self.outbox.deliver_due().await {
                Ok(batch) if batch.is_away => {
                    stop.run_until_cancelled(self.wait_for_ai()).await;
                    continue;
                }
                Ok(batch) if batch.delivered > 0 => continue,
                Ok(_) => self.look_around(since).await,
                Err(error) => tracing::warn!(%error, "the outbox is not available"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
    }

    /// Whether readers may go on without asking.
    async fn look_around(&self, since: u64) {
        if self.outbox.stillness.is_still() {
            return;
        }
        match queue::any_waiting(&self.outbox.core).await {
            Ok(false) => self.outbox.stillness.settle(since),
            Ok(true) => {}
            Err(error) => tracing::warn!(%error, "the outbox is not available"),
        }
    }

    /// No event is tried, and none blamed, before ai answers.
    async fn wait_for_ai(&self) {
        let mut pause = ASK_FIRST;
        tracing::info!("the outbox waits for the ai database");
        loop {
            tokio::time::sleep(pause).await;
            if self.ask_ai().await.is_ok() {
                tracing::info!("the ai database answers; the outbox goes on");
                return;
            }
            pause = (pause * 2).min(ASK_LAST);
        }
    }

    async fn ask_ai(&self) -> Result<()> {
        self.outbox.ai.begin_worker().await.map(drop)
    }
}
