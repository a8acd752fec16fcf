//! Who runs the runs.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use entity::ids::BatchRunId;
use futures::FutureExt;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::request::CHANNEL;
use super::run::Run;
use super::{claim, lease};
use crate::error::{CanFail, Error, Result};
use crate::jobs::Listener;
use crate::state::AppState;

/// A runner begins this long after its process: a start has better things to do.
const STAGGER: Duration = Duration::from_millis(300);

/// Runs what was asked for, one run after the other, until it is told to stop.
#[derive(Clone, Debug)]
pub struct Runner {
    state: AppState,
    wake: Arc<Notify>,
}

impl Runner {
    /// A runner that has not started yet.
    pub fn new(state: AppState) -> Self {
        Self { state, wake: Arc::new(Notify::new()) }
    }

    /// Wakes when a run is asked for, on whatever replica.
    pub fn listen(&self, listener: &mut Listener) {
        let wake = Arc::clone(&self.wake);
        listener.on(CHANNEL, move |_| wake.notify_one());
    }

    /// Starts it.
    pub fn start(self, tasks: &TaskTracker, stop: &CancellationToken) {
        let stop = stop.clone();
        tasks.spawn(async move {
            tokio::time::sleep(STAGGER).await;
            self.run(stop).await;
        });
    }

    async fn run(&self, stop: CancellationToken) {
        let poll = Duration::from_millis(self.state.settings.jobs.poll_ms);
        while !stop.is_cancelled() {
            match run_one(&self.state, None, &stop).await {
                Ok(Some(_)) => continue,
                Ok(None) => {}
                Err(error) => tracing::warn!(%error, "the batch is not available"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }
}

/// Does the next run that is due, or only this one. None: none is due, or another process has it.
/// A run that is stopped in the middle goes to whoever is next.
pub async fn run_one(
    state: &AppState,
    only: Option<BatchRunId>,
    stop: &CancellationToken,
) -> Result<Option<BatchRunId>> {
    let owner = Uuid::now_v7();
    let lease = Duration::from_secs(state.settings.jobs.lease_s);
    let Some(row) = claim::claim(&state.core, owner, lease, only).await? else { return Ok(None) };
    let id = row.id;
    let run = Run { state: state.clone(), row, owner, lease };
    let outcome = {
        let work = AssertUnwindSafe(Box::pin(run.work())).catch_unwind();
        tokio::select! {
            outcome = work => outcome,
            () = lease::keep(&state.core, id, owner, lease) => Ok(Err(claim::lost())),
            () = stop.cancelled() => {
                claim::release(&state.core, id, owner).await?;
                return Ok(Some(id));
            }
        }
    };
    match outcome.unwrap_or_else(|_| Err(Error::conflict("run_panicked", "the run panicked"))) {
        Err(error) if is_lost(&error) => {
            Err::<(), _>(error).can_fail("another process has the run, or it was called off");
        }
        // Core is away: whoever reaches it first once the lease is over goes on.
        Err(error) if error.is_outage() => return Err(error),
        outcome => run.finish(outcome).await?,
    }
    Ok(Some(id))
}

fn is_lost(error: &Error) -> bool {
    matches!(error, Error::Conflict { code: "lease_lost", .. })
}
