//! One connection of a process listens for whatever is notified in core.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::sqlx::postgres::PgListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::db::CoreDb;
use crate::error::{Context, Result};

/// A lost connection is made again after this long.
const PAUSE: Duration = Duration::from_secs(2);

/// What may be heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard<'a> {
    /// From now on nothing is missed.
    Connected,
    /// Something was notified, with these words.
    Notified(&'a str),
    /// Until it is connected again, anything may be missed.
    Lost,
}

type Ear = Arc<dyn Fn(Heard<'_>) + Send + Sync>;

/// Listens on channels of core and tells who waits for them.
#[derive(Clone)]
pub struct Listener {
    core: CoreDb,
    ears: Vec<(&'static str, Ear)>,
}

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.ears.iter().map(|(channel, _)| channel)).finish()
    }
}

impl Listener {
    /// A listener that has nothing to listen for yet.
    pub fn new(core: CoreDb) -> Self {
        Self { core, ears: Vec::new() }
    }

    /// Tells `ear` what is heard on a channel. It must not block.
    pub fn on(&mut self, channel: &'static str, ear: impl Fn(Heard<'_>) + Send + Sync + 'static) {
        self.ears.push((channel, Arc::new(ear)));
    }

    /// Listens until it is told to stop; comes back after a lost connection.
    pub fn start(self, tasks: &TaskTracker, stop: &CancellationToken) {
        if !self.ears.is_empty() {
            tasks.spawn(stop.clone().run_until_cancelled_owned(async move { self.run().await }));
        }
    }

    async fn run(&self) {
        loop {
            if let Err(error) = self.listen().await {
                tracing::debug!(%error, "cannot listen for notifications; polling");
            }
            self.tell(None, Heard::Lost);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen(&self) -> Result<()> {
        let mut listener = PgListener::connect_with(self.core.pool()).await.context("listening")?;
        // A connection lost is ours to notice: what was notified meanwhile is not told again.
        listener.eager_reconnect(false);
        listener.listen_all(self.ears.iter().map(|(channel, _)| *channel)).await.context("listening")?;
        self.tell(None, Heard::Connected);
        while let Some(notification) = listener.try_recv().await.context("listening")? {
            self.tell(Some(notification.channel()), Heard::Notified(notification.payload()));
        }
        Ok(())
    }

    fn tell(&self, channel: Option<&str>, heard: Heard<'_>) {
        for (own, ear) in &self.ears {
            if channel.is_none_or(|channel| channel == *own) {
                ear(heard);
            }
        }
    }
}
