//! Keeping the server alive while `tandem serve` runs.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use super::EmbeddedServer;
use super::locks::StartLock;
use super::postmaster::Postmaster;
use crate::error::Result;

/// How soon a dead server is noticed; one system call each.
const WATCH_EVERY: Duration = Duration::from_millis(100);
const BACK_OFF_MIN: Duration = Duration::from_millis(100);
const BACK_OFF_MAX: Duration = Duration::from_secs(30);
/// A server that lived this long was healthy: the next restart is immediate again.
const HEALTHY_AFTER: Duration = Duration::from_mins(1);

impl EmbeddedServer {
    /// Starts the server again whenever it dies, with growing pauses, until `shutdown`.
    /// Connection pools reconnect by themselves: address and password stay.
    pub async fn supervise(&self, shutdown: CancellationToken) {
        // Cut short only between steps, so a restart is never left half way.
        let mut back_off = BACK_OFF_MIN;
        let mut started = Instant::now();
        let mut pause = WATCH_EVERY;
        while shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
            pause = WATCH_EVERY;
            if self.is_alive() {
                continue;
            }
            if started.elapsed() > HEALTHY_AFTER {
                back_off = BACK_OFF_MIN;
            }
            tracing::error!(pid = self.pid(), "the embedded Postgres died; starting it again");
            match self.restart().await {
                Ok(()) => tracing::info!(pid = self.pid(), "the embedded Postgres runs again"),
                Err(error) => tracing::error!(%error, "the embedded Postgres did not start again"),
            }
            started = Instant::now();
            pause = back_off;
            back_off = (back_off * 2).min(BACK_OFF_MAX);
        }
    }

    fn is_alive(&self) -> bool {
        let dir = &self.cluster.dir;
        self.postmaster().is_alive(dir)
    }

    async fn restart(&self) -> Result<()> {
        let _start = StartLock::take(&self.place).await?;
        // Something may have cleaned up /tmp meanwhile.
        let socket_dir = self.place.socket_dir(&self.cluster.user)?;
        let postmaster = Postmaster::ensure(&self.cluster).await?;
        if socket_dir != self.cluster.socket_dir {
            tracing::error!(
                was = %self.cluster.socket_dir.display(), now = %socket_dir.display(),
                "the socket's folder was taken by another user; restart Tandem"
            );
        }
        *self.postmaster() = postmaster;
        Ok(())
    }
}
