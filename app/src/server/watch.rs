//! Says in the log when a database goes away and when it is back: once each,
//! with its name and never with credentials.

use std::time::Duration;

use crate::db::Mode;
use crate::db::space::change_engine;
use crate::error::CanFail;
use crate::state::AppState;

const EVERY: Duration = Duration::from_secs(5);
/// How often a change of the embedding model is looked for that was left alone.
const SPACES_EVERY: Duration = Duration::from_secs(4);

/// A start takes few connections, so the indexes are looked at when it is over; and how often.
const ENGINE_FIRST: Duration = Duration::from_secs(5);
const ENGINE_EVERY: Duration = Duration::from_secs(30);

/// Looks at both databases until the process stops.
pub(super) async fn databases(state: AppState) {
    let (mut core, mut ai) = (true, true);
    while state.shutdown.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_some() {
        core = look("core", state.core.why_away().await.as_deref(), &state.core.describe(), core);
        // With one database it is core; one that is closed is asked for by others.
        if state.mode != Mode::Single && !state.ai.is_closed() {
            ai = look("ai", state.ai.why_away().await.as_deref(), &state.ai.describe(), ai);
        }
    }
}

/// Has the configured engine's indexes built, once, and keeps an eye on which are searched, until the process
/// stops. A replica that is configured otherwise and started later has the last word.
pub(super) async fn engine(state: AppState, may_build: bool) {
    let mut is_due = may_build;
    let mut pause = ENGINE_FIRST;
    while state.shutdown.run_until_cancelled(tokio::time::sleep(pause)).await.is_some() {
        pause = ENGINE_EVERY;
        if state.ai.is_closed() {
            continue;
        }
        if is_due {
            let work = change_engine(&state.ai, &state.settings);
            match state.shutdown.run_until_cancelled(work).await {
                Some(Ok(is_changed)) => {
                    is_due = false;
                    if is_changed {
                        tracing::info!(
                            engine = state.settings.engines.vector.method(),
                            "searches use another engine"
                        );
                    }
                }
                Some(Err(error)) => {
                    tracing::warn!(%error, "the engine of vector search does not change; it is tried again");
                }
                None => return,
            }
        }
        state.engine.look(&state.ai).await.can_fail("it is looked again, and a search is right either way");
    }
}

/// Goes on with a change of the embedding model that nobody works on, until the process stops.
pub(super) async fn spaces(state: AppState) {
    while state.shutdown.run_until_cancelled(tokio::time::sleep(SPACES_EVERY)).await.is_some() {
        let work = crate::spaces::resume(&state);
        match state.shutdown.run_until_cancelled(work).await {
            Some(Err(error)) if !error.is_outage() => {
                tracing::warn!(%error, "the embedding model does not change any further; it is tried again");
            }
            _ => {}
        }
    }
}

/// Whether it answers now.
fn look(database: &str, away: Option<&str>, at: &str, answered: bool) -> bool {
    match away {
        Some(reason) if answered => tracing::error!(database, at, reason, "a database does not answer"),
        None if !answered => tracing::info!(database, at, "a database answers again"),
        _ => {}
    }
    away.is_none()
}
