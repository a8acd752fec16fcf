//! What happens by the clock. Every replica runs every schedule: each is
//! idempotent and works in bounded batches.

use std::time::Duration;

use crate::error::Result;
use crate::state::AppState;
use crate::{auth, chat, knowledge};

/// Starts all schedules; they end with the process.
pub(super) fn start(state: &AppState) {
    every(
        state,
        "interrupt expired turns",
        5,
        |state| async move { chat::interrupt_expired(&state.core).await },
    );
    every(state, "requeue lost sources", 30, |state| async move { knowledge::requeue_lost(&state).await });
    every(state, "delete old events", 60, |state| async move { chat::delete_old_events(&state.core).await });
    every(state, "delete expired refresh tokens", 600, |state| async move {
        auth::delete_expired(&state.core).await
    });
}

fn every<F>(state: &AppState, name: &'static str, seconds: u64, run: impl Fn(AppState) -> F + Send + 'static)
where
    F: Future<Output = Result<u64>> + Send,
{
    let owned = state.clone();
    let schedule = async move {
        loop {
            match run(owned.clone()).await {
                Ok(0) => {}
                Ok(rows) => tracing::info!(schedule = name, rows, "schedule ran"),
                Err(error) => tracing::warn!(schedule = name, %error, "schedule failed"),
            }
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    };
    state.tasks.spawn(state.shutdown.clone().run_until_cancelled_owned(schedule));
}
