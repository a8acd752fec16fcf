//! Group commit: what many callers store at once goes in one statement.
//!
//! While one statement is on its way to the disk the next items gather, whoever's
//! they are, and go together: a thousand callers cost a few statements at a time,
//! and a lone one waits for nobody. It never makes one caller fail for another: an
//! item whose group was not stored is stored alone, by the caller it came from.

use std::sync::Arc;

use sea_orm::DbErr;
use tokio::sync::{Mutex, mpsc, oneshot};

use crate::error::{Error, Result};

/// Items that may wait; whoever comes later waits to be let in.
const QUEUE: usize = 1024;
/// Items that go in one statement.
const BATCH: usize = 256;

/// What stores items.
pub trait Store: Send + Sync + 'static {
    /// One of them. It says which message it is of: a group has one of a message at most.
    type Item: Send + Sync + 'static;
    /// What is known of an item once it is stored.
    type Stored: Send + 'static;

    /// Statements under way at once.
    const WRITERS: usize;

    /// Stores a group, each item all or not at all; which were stored. An item of a
    /// group may be left out for what stands in the way of it alone.
    fn together(
        &self,
        items: &[&Self::Item],
    ) -> impl Future<Output = Result<Vec<Option<Self::Stored>>, DbErr>> + Send;

    /// Stores one item, whatever it has to wait for.
    fn alone(&self, item: &Self::Item) -> impl Future<Output = Result<Option<Self::Stored>, DbErr>> + Send;
}

struct Request<S: Store> {
    item: S::Item,
    done: oneshot::Sender<Outcome<S>>,
}

enum Outcome<S: Store> {
    Stored(S::Stored),
    /// It was not stored in its group.
    Left(S::Item),
    Failed(DbErr),
}

/// The way to the writers. Cheap to clone; they end with the last clone.
#[derive(Debug)]
pub struct GroupCommit<S: Store> {
    store: Arc<S>,
    requests: mpsc::Sender<Request<S>>,
}

impl<S: Store> Clone for GroupCommit<S> {
    fn clone(&self) -> Self {
        Self { store: Arc::clone(&self.store), requests: self.requests.clone() }
    }
}

impl<S: Store> GroupCommit<S> {
    /// Starts the writers.
    pub fn start(store: S) -> Self {
        let store = Arc::new(store);
        let (requests, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        for _ in 0..S::WRITERS {
            #[expect(
                clippy::disallowed_methods,
                reason = "it ends with its last caller, for which shutdown waits"
            )]
            tokio::spawn(work(Arc::clone(&store), Arc::clone(&waiting)));
        }
        Self { store, requests }
    }

    /// Where items go.
    pub fn inner(&self) -> &S {
        &self.store
    }

    /// Stores an item. None: it may not be stored, and was not.
    pub async fn store(&self, item: S::Item) -> Result<Option<S::Stored>> {
        let (done, outcome) = oneshot::channel();
        let ended = || Error::internal("storing in a group", "its writer has ended");
        self.requests.send(Request { item, done }).await.map_err(|_| ended())?;
        match outcome.await.map_err(|_| ended())? {
            Outcome::Stored(stored) => Ok(Some(stored)),
            Outcome::Left(item) => Ok(self.store.alone(&item).await?),
            Outcome::Failed(error) => Err(error.into()),
        }
    }
}

async fn work<S: Store>(store: Arc<S>, waiting: Arc<Mutex<mpsc::Receiver<Request<S>>>>) {
    let mut group = Vec::with_capacity(BATCH);
    loop {
        if waiting.lock().await.recv_many(&mut group, BATCH).await == 0 {
            return;
        }
        let items: Vec<&S::Item> = group.iter().map(|request: &Request<S>| &request.item).collect();
        match store.together(&items).await {
            Ok(stored) => {
                for (request, stored) in group.drain(..).zip(stored) {
                    let outcome = stored.map_or_else(|| Outcome::Left(request.item), Outcome::Stored);
                    tell(request.done, outcome);
                }
            }
            // While the database is away nobody's can be stored, and each try would wait as long as the first.
            Err(error) if Error::from(error.clone()).is_outage() => {
                for request in group.drain(..) {
                    tell(request.done, Outcome::Failed(error.clone()));
                }
            }
            // What spoils a statement may be one item's; the others must not pay for it.
            Err(_) => {
                for request in group.drain(..) {
                    tell(request.done, Outcome::Left(request.item));
                }
            }
        }
    }
}

/// A caller that is gone by now asks for no answer.
fn tell<S: Store>(done: oneshot::Sender<Outcome<S>>, outcome: Outcome<S>) {
    drop(done.send(outcome));
}
