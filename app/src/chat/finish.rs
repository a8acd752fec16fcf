//! The end of a turn: what it came to is stored, and then sent.

use serde_json::json;

use super::answer::Mode;
use super::asked::{Asked, ledger};
use super::citations::Gone;
use super::ended::{self, Ended, Line};
use super::ending::End;
use super::events::{TurnLog, lease_lost};
use super::turn::{Draft, Turn, elapsed_ms};
use super::{abandoned, aside, citations, ending};
use crate::conversation::CitationView;
use crate::db::documents::Document;
use crate::error::{CanFail, Result};
use crate::jobs::JobToBe;
use crate::web::live::Entry;
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
    let entries = log.take();
    let document = document(turn, &mut draft, end, latency_ms, &entries)?;
    let gone = store(turn, document, &draft.citations).await?;
    draft.call.iter_mut().for_each(Asked::is_settled);
    log.send(&turn.state.core, entries).await;
    citations::forget(turn, gone).await.can_fail("the log keeps the words of what is deleted for a day");
    Ok(())
}

fn document(
    turn: &Turn,
    draft: &mut Draft,
    end: &End,
    latency_ms: i32,
    entries: &[Entry],
) -> Result<Document> {
    let spending = ledger(turn, draft.call.as_mut(), end.status());
    let jobs = if matches!(end, End::Complete) { aside::jobs(turn, draft.fallen) } else { Vec::new() };
    let usage = draft.usage.as_ref();
    let ended = Ended {
        id: turn.assistant_message_id,
        lease_owner: turn.lease_owner,
        status: end.status(),
        content: &draft.text,
        mode: Mode::of(&turn.state).name(),
        model: draft.call.as_ref().map_or(&turn.route.model, |call| &call.model),
        memories: &draft.memories,
        prompt_tokens: usage.map(|usage| usage.prompt_tokens),
        completion_tokens: usage.map(|usage| usage.completion_tokens),
        total_tokens: usage.map(|usage| usage.total_tokens),
        cached_prompt_tokens: usage.map(|usage| usage.cached_prompt_tokens),
        reasoning_tokens: usage.map(|usage| usage.reasoning_tokens),
        first_token_ms: draft.first_token_ms,
        latency_ms,
        error: end.problem(),
        spending,
        jobs: jobs.into_iter().map(JobToBe::from).collect(),
        events: entries.iter().map(Line::from).collect(),
    };
    ended.document()
}

/// Which of what is cited was deleted since the question. Most answers
/// cite nothing, and are stored together with those that end at the same time.
async fn store(turn: &Turn, ended: Document, cited: &[CitationView]) -> Result<Gone> {
    if cited.is_empty() {
        let held = turn.state.endings.store(ended).await?.is_some();
        return if held { Ok(Gone::default()) } else { Err(lease_lost()) };
    }
    let tx = turn.state.core.begin().await?;
    if !ended::end_in(&tx, &ended).await? {
        return Err(lease_lost());
    }
    let gone = citations::store(&tx, turn, cited).await?;
    tx.commit().await?;
    Ok(gone)
}
