//! Ending a turn early: from any replica, or because its process stops.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use entity::core::message::{Role, Status};
use entity::ids::{MessageId, UserId};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::signals::TURNS;
use super::{abandoned, follow};
use crate::conversation;
use crate::db::CoreDb;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::signals::{Signals, Stop};

/// How long a cancellation is waited for, until it is answered as under way.
const WAIT: Duration = Duration::from_secs(2);

/// Set while entries are on their way into the log: they must not be left half sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Flushing(Arc<AtomicBool>);

/// While it lives, entries are on their way.
#[derive(Debug)]
pub(super) struct Underway(Flushing);

impl Flushing {
    pub(super) fn begin(&self) -> Underway {
        self.0.store(true, Ordering::Relaxed);
        Underway(self.clone())
    }

    fn is_underway(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        self.0.0.store(false, Ordering::Relaxed);
    }
}

/// Works until it is done or is to be ended early, and then only where the log
/// is whole: what is being sent is sent.
pub(super) async fn unless_stopped<T>(
    work: impl Future<Output = T>,
    signals: &Signals,
    flushing: &Flushing,
) -> Result<T, Stop> {
    let (mut work, mut stopped) = (pin!(work), pin!(signals.stopped()));
    let mut stop = None;
    poll_fn(|context| {
        if stop.is_none()
            && let Poll::Ready(why) = stopped.as_mut().poll(context)
        {
            stop = Some(why);
        }
        if let Some(why) = stop.filter(|_| !flushing.is_underway()) {
            return Poll::Ready(Err(why));
        }
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Ok(done));
        }
        match stop.filter(|_| !flushing.is_underway()) {
            Some(why) => Poll::Ready(Err(why)),
            None => Poll::Pending,
        }
    })
    .await
}

/// Cancels a turn of the user's, wherever it runs. True: it has ended, now or
/// long ago. False: its process has been asked and will end it.
pub(super) async fn cancel(state: &AppState, user: UserId, id: MessageId) -> Result<bool> {
    let core = &state.core;
    let message = conversation::find_owned_message(core, user, id).await?;
    if message.role != Role::Assistant {
        return Err(Error::NotFound("answer"));
    }
    if message.status != Status::Streaming {
        return Ok(true);
    }
    if !request(core, id).await? {
        // It has ended meanwhile, or nobody writes it any more.
        let tx = core.begin().await?;
        abandoned::cancel_expired(&tx, &state.settings.prices, id).await?;
        tx.commit().await?;
        return Ok(true);
    }
    if let Some(signals) = state.live.signals(id.0) {
        signals.stop(Stop::Cancelled);
    }
    // Nothing comes after the highest number: only the end is waited for.
    let mut turn = follow::follow(state, user, id, i32::MAX).await?;
    Ok(tokio::time::timeout(WAIT, async { while turn.next().await.is_some() {} }).await.is_ok())
}

/// Asks the process that writes a turn to end it. False: none does.
async fn request(core: &CoreDb, id: MessageId) -> Result<bool> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "WITH asked AS (
             UPDATE messages SET cancel_requested_at = coalesce(cancel_requested_at, now())
              WHERE id = $1 AND status = 'streaming' AND lease_expires_at > now()
             RETURNING id)
         SELECT pg_notify($2, 'cancel ' || id)::text FROM asked",
        [id.0.into(), TURNS.into()],
    );
    Ok(core.query_one_raw(statement).await?.is_some())
}
