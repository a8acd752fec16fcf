//! What core has decided and ai has still to learn.
//!
//! [`publish`] writes an event in the transaction it follows from. The
//! [`Relay`] claims events under a lease, applies each in one ai transaction
//! together with its inbox row, and marks it delivered in one core
//! transaction. A crash between the two delivers it again, and the inbox
//! answers. Events of one aggregate are applied in the order in which they
//! were committed; one that was given up holds back those behind it.
//!
//! A request that publishes delivers at once ([`Outbox::deliver_now`]), and
//! whoever reads or writes what waiting events are about applies those first
//! ([`Outbox::settle`], [`Outbox::drain`]): what was deleted while ai was away
//! is never seen again, and what is made again comes after its deletion.
//!
//! What an event does is registered in the top tier ([`Registry`]).

mod deliver;
mod event;
mod inbox;
mod letters;
mod queue;
mod registry;
mod relay;
mod stillness;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::task::TaskTracker;

use crate::db::{AiDb, CoreDb};

pub use deliver::{Batch, is_away};
pub use entity::core::outbox::Model as Event;
pub use event::{Aggregate, NewEvent, deleted_since, publish};
pub use inbox::{gone_generation, is_gone};
pub use letters::{Counts, counts, dead_letters, purge, requeue_delivered, retry};
pub use registry::{Applied, Apply, Complete, Consumer, Registry};
pub use relay::Relay;

use stillness::Stillness;

/// The channel that wakes relays.
const CHANNEL: &str = "tandem_outbox";

/// Days that delivered events and inbox rows are kept: as old may a backup of
/// ai be that is restored.
const KEPT_DAYS: i32 = 30;

/// Delivers events. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    core: CoreDb,
    ai: AiDb,
    registry: Arc<Registry>,
    /// Life of a delivery's lease.
    lease: Duration,
    tasks: TaskTracker,
    stillness: Arc<Stillness>,
}

impl Outbox {
    /// Over both databases, with what each kind of event does.
    pub fn new(core: CoreDb, ai: AiDb, registry: Registry, lease: Duration, tasks: TaskTracker) -> Self {
        Self { core, ai, registry: Arc::new(registry), lease, tasks, stillness: Arc::default() }
    }
}
