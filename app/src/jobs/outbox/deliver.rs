//! Delivering: ai first, then core.

use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use entity::ids::UserId;
use futures::{FutureExt, StreamExt};
use serde_json::Value;

use super::queue::{self, Lease};
use super::{Aggregate, Applied, Event, Outbox, inbox};
use crate::error::{CanFail, Error, Result};

/// Events claimed at once.
const BATCH: i64 = 16;

/// Events delivered at once, each of another aggregate.
const AT_ONCE: usize = 4;

/// Waiting events a reader applies first; the relay does the rest.
const SETTLE_MAX: i64 = 200;

/// A request waits this long for both sides.
const PATIENCE: Duration = Duration::from_secs(2);

/// While another delivers an event, it is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// What a round of deliveries came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    /// Events that were due.
    pub claimed: usize,
    /// Events both sides know of now.
    pub delivered: usize,
    /// A database did not answer.
    pub is_away: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Done,
    /// It goes on later, or elsewhere.
    Failed,
    Away,
}

impl Outbox {
    /// Claims and delivers a batch of due events.
    pub async fn deliver_due(&self) -> Result<Batch> {
        let lease = Lease::new(self.lease);
        let events = queue::claim_due(&self.core, lease, self.registry.kinds(), BATCH).await?;
        let claimed = events.len();
        // Once a database is away the rest of the batch is given back untried.
        let away = AtomicBool::new(false);
        let deliver = |event: Event| {
            let away = &away;
            async move {
                if away.load(Ordering::Relaxed) {
                    self.give_back(&event, lease, "a database is away").await;
                    return Delivery::Away;
                }
                let delivery = self.deliver(&event, lease).await;
                away.fetch_or(delivery == Delivery::Away, Ordering::Relaxed);
                delivery
            }
        };
        let done = |delivered: usize, delivery: Delivery| async move {
            delivered + usize::from(delivery == Delivery::Done)
        };
        let delivered =
            futures::stream::iter(events).map(deliver).buffer_unordered(AT_ONCE).fold(0, done).await;
        Ok(Batch { claimed, delivered, is_away: away.into_inner() })
    }

    /// Delivers what waits of an aggregate, for an event that was just
    /// committed. True: both sides are done; false: the relay will see to it.
    pub async fn deliver_now(&self, aggregate: Aggregate) -> bool {
        self.stillness.disturb();
        let outbox = self.clone();
        // A task of its own: who gives up waiting must not cut it off half done.
        let work = self.tasks.spawn(async move { outbox.deliver_all(aggregate).await });
        match tokio::time::timeout(PATIENCE, work).await {
            Ok(Ok(Ok(delivered))) => delivered,
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "an event is delivered later");
                false
            }
            Ok(Err(_)) | Err(_) => false,
        }
    }

    /// For an event that was just committed while ai is known to be away.
    pub fn deliver_later(&self) {
        self.stillness.disturb();
    }

    async fn deliver_all(&self, aggregate: Aggregate) -> Result<bool> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while tokio::time::Instant::now() < deadline {
            let lease = Lease::new(self.lease);
            if let Some(event) = queue::claim_of(&self.core, lease, aggregate).await? {
                match self.deliver(&event, lease).await {
                    Delivery::Done => continue,
                    Delivery::Failed | Delivery::Away => return Ok(false),
                }
            }
            if queue::waiting_of(&self.core, &[aggregate]).await?.is_empty() {
                return Ok(true);
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(false)
    }

    /// Applies what waits for these aggregates, before they are written: what
    /// is made again comes after its deletion. How many there were.
    pub async fn drain(&self, aggregates: &[Aggregate]) -> Result<usize> {
        let waiting = queue::waiting_of(&self.core, aggregates).await?;
        self.bring_forward(waiting).await
    }

    /// Applies what waits of what this user asked for, or an administrator,
    /// before the user reads: what was deleted while ai was away is never seen
    /// again. Nearly always nothing waits, and that costs nothing.
    /// One that cannot be applied waits for somebody to look at it.
    pub async fn settle(&self, user: UserId) -> Result<()> {
        if self.stillness.is_still() {
            return Ok(());
        }
        let waiting = queue::waiting_for(&self.core, user, SETTLE_MAX).await?;
        for event in waiting.iter().filter(|event| self.registry.knows(event)) {
            match self.bring_one_forward(event).await {
                Err(error) if is_away(&error) => return Err(error),
                other => other.can_fail("what the event deletes is still there"),
            }
        }
        Ok(())
    }

    /// Delivers, or where somebody else holds the lease applies: the inbox
    /// makes that once, and who holds it completes it in core.
    async fn bring_forward(&self, waiting: Vec<Event>) -> Result<usize> {
        let count = waiting.len();
        for event in waiting.iter().filter(|event| self.registry.knows(event)) {
            self.bring_one_forward(event).await?;
        }
        Ok(count)
    }

    async fn bring_one_forward(&self, event: &Event) -> Result<()> {
        let lease = Lease::new(self.lease);
        match queue::claim_one(&self.core, lease, event.id).await? {
            Some(event) => self.try_deliver(&event, lease).await,
            None => self.apply(event, None).await.map(drop),
        }
    }

    async fn deliver(&self, event: &Event, lease: Lease) -> Delivery {
        match self.try_deliver(event, lease).await {
            Ok(()) => Delivery::Done,
            Err(error) if is_away(&error) => Delivery::Away,
            Err(_) => Delivery::Failed,
        }
    }

    /// Delivers a claimed event, or notes why not.
    async fn try_deliver(&self, event: &Event, lease: Lease) -> Result<()> {
        let work = AssertUnwindSafe(self.apply_and_complete(event, lease)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|_| {
            Err(Error::conflict("consumer_panicked", "a consumer of the event panicked"))
        });
        let Err(error) = outcome else {
            return Ok(());
        };
        let words = error.to_string();
        if is_away(&error) {
            self.give_back(event, lease, &words).await;
        } else {
            tracing::warn!(%error, event.id = %event.id, event.kind = event.kind, "an event could not be delivered");
            queue::fail(&self.core, event.id, lease, &words)
                .await
                .map(drop)
                .can_fail("the event's lease will run out");
        }
        Err(error)
    }

    async fn give_back(&self, event: &Event, lease: Lease, why: &str) {
        queue::release(&self.core, event.id, lease, why)
            .await
            .map(drop)
            .can_fail("the event's lease will run out");
    }

    async fn apply_and_complete(&self, event: &Event, lease: Lease) -> Result<()> {
        let outcome = self.apply(event, Some(lease)).await?;
        let core = self.core.begin().await?;
        if !queue::mark_delivered(&core, event.id, lease).await? {
            return Err(lease_lost());
        }
        self.registry.complete(&core, event, &outcome).await?;
        core.commit().await
    }

    /// Applies an event in ai, once: in one transaction with its inbox row, or
    /// in several when there is much to do, of which the last concludes it.
    pub async fn apply_in_ai(&self, event: &Event) -> Result<Value> {
        self.apply(event, None).await
    }

    async fn apply(&self, event: &Event, lease: Option<Lease>) -> Result<Value> {
        loop {
            let ai = self.ai.begin_worker().await?;
            if let Some(outcome) = inbox::receive(&ai, event).await? {
                return Ok(outcome);
            }
            match self.registry.apply(&ai, event).await? {
                Applied::Done(outcome) => {
                    inbox::conclude(&ai, event, &outcome).await?;
                    ai.commit().await?;
                    return Ok(outcome);
                }
                Applied::More => ai.commit().await?,
            }
            if let Some(lease) = lease
                && !queue::prolong(&self.core, event.id, lease).await?
            {
                return Err(lease_lost());
            }
        }
    }
}

/// Whether a database did not answer, as opposed to refusing.
pub fn is_away(error: &Error) -> bool {
    error.status() == axum::http::StatusCode::SERVICE_UNAVAILABLE
}

fn lease_lost() -> Error {
    Error::conflict("lease_lost", "another delivery has taken the event over")
}
