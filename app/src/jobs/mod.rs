//! Background work: a queue and an outbox in core.
//!
//! A job is enqueued in the same transaction as what it follows from, claimed
//! with SKIP LOCKED under a lease, and may run more than once: handlers are
//! idempotent. What ai has to learn of core goes through the [`outbox`] in the
//! same way. NOTIFY wakes workers and relay; a poll covers for a lost one.

mod listener;
pub mod outbox;
mod queue;
mod worker;

use crate::db::CoreDb;
use crate::error::Result;

pub use listener::{Heard, Listener};
pub use queue::{JobToBe, NewJob, enqueue, queueing};
pub use worker::{Handler, JobContext, Registry, Worker};

/// Gives up jobs whose process died under them too often. Returns how many.
pub async fn give_up_dead(core: &CoreDb) -> Result<u64> {
    queue::give_up_dead(core).await
}
