//! The end of a turn: what it came to is stored, and then sent.

use std::collections::HashSet;

use serde_json::json;
use uuid::Uuid;

use super::answer::Mode;
use super::asked::{Asked, ledger};
use super::ending::{End, Ending};
use super::events::{TurnLog, lease_lost};
use super::turn::{Draft, Turn, elapsed_ms};
use super::{abandoned, aside, citations, ending, queries};
use crate::conversation::CitationView;
use crate::db::journal::Append;
use crate::error::{CanFail, Result};
use crate::web::signals::Stop;

/// Stores text, citations and the last events in one transaction, then sends the events.
pub(super) async fn finish(turn: &Turn, log: &mut TurnLog, mut draft: Draft, end: &End) -> Result<()> {
    let latency_ms = elapsed_ms(turn.started_at);
    let mut done = json!({ "content": draft.text, "usage": draft.usage, "latency_ms": latency_ms });
    match end {
        End::Complete => log.event("done", done),
        End::Failed(error) => log.event("error", ending::problem_of(error)),
        End::Stopped(Stop::Cancelled) => {
            done["cancelled"] = json!(true);
            log.event("done", done);
        }
        End::Stopped(Stop::Shutdown) => log.event("error", abandoned::interruption()),
    }
    let settling = ledger(turn, draft.call.as_mut(), end.status());
    let ending = Ending {
        status: end.status(),
        content: &draft.text,
        mode: Mode::of(&turn.state).name(),
        model: draft.call.as_ref().map_or(&turn.route.model, |call| &call.model),
        memories: json!(draft.memories),
        usage: draft.usage,
        first_token_ms: draft.first_token_ms,
        latency_ms,
        error: end.problem(),
        settling,
        jobs: if matches!(end, End::Complete) { aside::jobs(turn, draft.fallen) } else { Vec::new() },
    };
    let entries = log.take();
    let gone = store(turn, &log.lines(&entries), &ending, &draft.citations).await?;
    draft.call.iter_mut().for_each(Asked::is_settled);
    log.send(&turn.state.core, entries).await;
    citations::forget(turn, gone).await.can_fail("the log keeps a deleted source's words for a day");
    Ok(())
}

/// Which of the cited sources were deleted since the question. Most answers
/// cite nothing, and are stored by one statement.
async fn store(
    turn: &Turn,
    last: &Append,
    ending: &Ending<'_>,
    cited: &[CitationView],
) -> Result<HashSet<Uuid>> {
    let core = &turn.state.core;
    if cited.is_empty() {
        let held = queries::finish(core, last, ending).await?;
        return if held { Ok(HashSet::new()) } else { Err(lease_lost()) };
    }
    let tx = core.begin().await?;
    if !queries::finish(&tx, last, ending).await? {
        return Err(lease_lost());
    }
    let gone = citations::store(&tx, turn, cited).await?;
    tx.commit().await?;
    Ok(gone)
}
