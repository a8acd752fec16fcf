//! What happens by the clock. Every replica runs every schedule: each is
//! idempotent and works in bounded batches.

use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::time::Instant;

use crate::db::pair;
use crate::error::Result;
use crate::state::AppState;
use crate::{admin, analytics, auth, chat, idempotency, jobs, knowledge, usage};

/// When what is urgent is done the first time: between two polls of workers
/// and relay, whose connections are free then. A start takes few of them.
const FIRST_AFTER: Duration = Duration::from_millis(500);

/// When the rest is, whose period is at least this long.
const HOUSEKEEPING_AFTER: Duration = Duration::from_secs(10);
const HOUSEKEEPING_S: u64 = 30;

/// A connection is back in its pool a moment after its last use.
const PAUSE: Duration = Duration::from_millis(10);

type Run = fn(AppState) -> BoxFuture<'static, Result<u64>>;

/// Name, period in seconds, and what to do; returns the rows it touched.
const SCHEDULES: [(&str, u64, Run); 12] = [
    ("interrupt expired turns", 3, |state| async move { chat::interrupt_expired(&state).await }.boxed()),
    ("refund lost reservations", 5, |state| async move { usage::refund_lost(&state.core).await }.boxed()),
    ("give up dead jobs", 30, |state| async move { jobs::give_up_dead(&state.core).await }.boxed()),
    ("requeue lost sources", 30, |state| async move { knowledge::requeue_lost(&state).await }.boxed()),
    ("fold counts of words", 60, |state| async move { knowledge::words::fold_counts(&state).await }.boxed()),
    ("begin due batches", 15, |state| {
        async move { analytics::schedule::start_due(&state.core).await }.boxed()
    }),
    ("delete old events", 60, |state| async move { chat::delete_old_events(&state.core).await }.boxed()),
    ("count the pair's epoch", 60, |state| {
        async move { pair::beat(&state.core, &state.ai, state.mode).await.map(|()| 0) }.boxed()
    }),
    ("delete expired credentials", 600, |state| {
        async move { auth::delete_expired(&state.core).await }.boxed()
    }),
    ("delete expired idempotency keys", 60, |state| {
        async move { idempotency::delete_expired(&state.core).await }.boxed()
    }),
    ("delete old events of the outbox", 600, |state| {
        async move { jobs::outbox::purge(&state.outbox).await }.boxed()
    }),
    ("nightly check of links", 600, |state| async move { admin::links::nightly(&state).await }.boxed()),
];

/// Starts all schedules in one task, which runs what is due one after the
/// other: housekeeping never takes more than one connection of a database.
pub(super) fn start(state: &AppState) {
    let owned = state.clone();
    let work = async move {
        let mut due = SCHEDULES.map(|(_, seconds, _)| {
            Instant::now() + if seconds < HOUSEKEEPING_S { FIRST_AFTER } else { HOUSEKEEPING_AFTER }
        });
        loop {
            for ((name, seconds, run), due) in SCHEDULES.iter().zip(&mut due) {
                if *due <= Instant::now() {
                    report(name, run(owned.clone()).await);
                    *due = Instant::now() + Duration::from_secs(*seconds);
                    tokio::time::sleep(PAUSE).await;
                }
            }
            let next = due.iter().min().copied().unwrap_or_else(Instant::now);
            tokio::time::sleep_until(next).await;
        }
    };
    state.tasks.spawn(state.shutdown.clone().run_until_cancelled_owned(work));
    knowledge::words::index_in_background(state);
}

fn report(name: &str, outcome: Result<u64>) {
    match outcome {
        Ok(0) => {}
        Ok(rows) => tracing::info!(schedule = name, rows, "schedule ran"),
        Err(error) => tracing::warn!(schedule = name, %error, "schedule failed"),
    }
}
