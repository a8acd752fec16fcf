//! Workers: claim, run under a lease, end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use entity::core::job;
use entity::ids::JobId;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{Listener, queue};
use crate::config;
use crate::db::CoreDb;
use crate::error::{CanFail, Error, Result};

/// A retried job waits this long after its first failure, twice as long after each further one.
const RETRY_FIRST: Duration = Duration::from_secs(2);
const RETRY_MAX: Duration = Duration::from_mins(5);

/// Runners of a process begin this far apart.
const STAGGER: Duration = Duration::from_millis(50);

/// Runs one kind of job. May be called more than once for the same job.
pub type Handler = Arc<dyn Fn(JobContext) -> BoxFuture<'static, Result<()>> + Send + Sync>;

/// Which handler runs which kind.
#[derive(Clone, Default)]
pub struct Registry {
    handlers: BTreeMap<&'static str, Handler>,
}

impl std::fmt::Debug for Registry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.handlers.keys()).finish()
    }
}

impl Registry {
    /// Adds a handler.
    #[must_use]
    pub fn with<F>(
        mut self,
        kind: &'static str,
        run: impl Fn(JobContext) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<()>> + Send + 'static,
    {
        self.handlers.insert(kind, Arc::new(move |context| run(context).boxed()));
        self
    }

    fn kinds(&self) -> Vec<String> {
        self.handlers.keys().map(|kind| (*kind).to_owned()).collect()
    }
}

/// What a handler knows about its run.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// The job.
    pub id: JobId,
    /// Its input.
    pub payload: serde_json::Value,
    /// Whether a failure of this run is the last word.
    pub is_last_attempt: bool,
    /// Of this run, and no other of the same job.
    pub run: Uuid,
    /// Cancelled when the process stops or the lease is lost: write nothing more.
    pub cancelled: CancellationToken,
    done: Arc<AtomicI64>,
    held_until: Arc<Mutex<Instant>>,
}

impl JobContext {
    /// Reads the input.
    pub fn input<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_value(self.payload.clone())
            .map_err(|error| Error::internal("reading a job's payload", error))
    }

    /// Whether the run may go on writing. A process that was stopped for longer
    /// than its lease knows it by this before it hears of it from the database.
    pub fn may_write(&self) -> bool {
        let held_until = *self.held_until.lock().unwrap_or_else(PoisonError::into_inner);
        !self.cancelled.is_cancelled() && Instant::now() < held_until
    }

    fn hold_until(&self, instant: Instant) {
        *self.held_until.lock().unwrap_or_else(PoisonError::into_inner) = instant;
    }

    /// Units of work done so far; stored with the next sign of life.
    pub fn progress(&self, done: i64) {
        self.done.store(done, Ordering::Relaxed);
    }
}

/// Runs jobs of the registered kinds until it is told to stop.
#[derive(Clone, Debug)]
pub struct Worker {
    core: CoreDb,
    registry: Registry,
    settings: config::Jobs,
    wake: Arc<Notify>,
}

impl Worker {
    /// A worker that has not started yet.
    pub fn new(core: CoreDb, registry: Registry, settings: config::Jobs) -> Self {
        Self { core, registry, settings, wake: Arc::new(Notify::new()) }
    }

    /// Wakes a runner per notification.
    pub fn listen(&self, listener: &mut Listener) {
        let wake = Arc::clone(&self.wake);
        listener.on(queue::CHANNEL, move |_| wake.notify_one());
    }

    /// Starts as many runners as configured.
    pub fn start(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        for number in 0..self.settings.workers {
            let worker = self.clone();
            let stop = stop.clone();
            // One after the other: a start should not take a connection a runner.
            let stagger = STAGGER * u32::try_from(number).unwrap_or(u32::MAX);
            tasks.spawn(async move {
                tokio::time::sleep(stagger).await;
                worker.run(stop).await;
            });
        }
    }

    async fn run(&self, stop: CancellationToken) {
        let poll = Duration::from_millis(self.settings.poll_ms);
        while !stop.is_cancelled() {
            match self.run_one(&stop).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "the job queue is not available"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.wake.notified() => {}
                () = tokio::time::sleep(poll) => {}
            }
        }
    }

    /// Runs one due job to its end. False: none is due.
    pub async fn run_one(&self, stop: &CancellationToken) -> Result<bool> {
        let owner = Uuid::now_v7();
        let lease = Duration::from_secs(self.settings.lease_s);
        let kinds = self.registry.kinds();
        // Before the question: the lease begins no earlier than this.
        let asked = Instant::now();
        let Some(job) = queue::claim(&self.core, owner, lease, &kinds).await? else {
            return Ok(false);
        };
        let context = JobContext {
            id: job.id,
            payload: job.payload.clone(),
            is_last_attempt: job.attempts >= job.attempts_max,
            run: owner,
            cancelled: stop.child_token(),
            done: Arc::new(AtomicI64::new(job.progress_done)),
            held_until: Arc::new(Mutex::new(asked + lease)),
        };
        let outcome = self.run_under_lease(&job, owner, lease, context.clone()).await;
        self.finish(&job, owner, &context, outcome).await?;
        Ok(true)
    }

    async fn run_under_lease(
        &self,
        job: &job::Model,
        owner: Uuid,
        lease: Duration,
        context: JobContext,
    ) -> Result<()> {
        let Some(handler) = self.registry.handlers.get(job.kind.as_str()) else {
            return Err(Error::NotFound("job handler"));
        };
        let guard = context.cancelled.clone().drop_guard();
        let beats = self.beat(job.id, owner, lease, context.clone());
        let work = std::panic::AssertUnwindSafe(handler(context)).catch_unwind();
        let outcome = tokio::select! {
            outcome = work => outcome,
            () = beats => Ok(Err(Error::conflict("lease_lost", "another worker has taken the job over"))),
        };
        drop(guard);
        outcome.unwrap_or_else(|_| Err(Error::conflict("job_panicked", "the handler panicked")))
    }

    /// Signs of life until the lease is lost.
    async fn beat(&self, id: JobId, owner: Uuid, lease: Duration, context: JobContext) {
        loop {
            tokio::time::sleep(lease / 4).await;
            let done = context.done.load(Ordering::Relaxed);
            let asked = Instant::now();
            match queue::beat(&self.core, id, owner, lease, done).await {
                Ok(true) => context.hold_until(asked + lease),
                Ok(false) => return,
                Err(error) => {
                    tracing::warn!(%error, job.id = %id, "no sign of life could be written");
                }
            }
        }
    }

    async fn finish(
        &self,
        job: &job::Model,
        owner: Uuid,
        context: &JobContext,
        outcome: Result<()>,
    ) -> Result<()> {
        let kind = job.kind.as_str();
        let held = match outcome {
            Ok(()) => {
                let done = context.done.load(Ordering::Relaxed);
                queue::succeed(&self.core, job.id, owner, done).await?
            }
            Err(error) => {
                let retry_in = (!context.is_last_attempt).then(|| back_off(job.attempts));
                tracing::warn!(%error, job.id = %job.id, job.kind = kind, attempt = job.attempts, ?retry_in, "job failed");
                queue::fail(&self.core, job.id, owner, &error.to_string(), retry_in).await?
            }
        };
        if !held {
            Err::<(), _>("lease lost").can_fail("another worker has the job by now");
        }
        Ok(())
    }
}

fn back_off(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 16)).unwrap_or(1) - 1;
    (RETRY_FIRST * 2_u32.saturating_pow(doublings)).min(RETRY_MAX)
}
