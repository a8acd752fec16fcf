//! One turn, from the stored question to the stored answer.

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::core::message::Status;
use entity::ids::{ConversationId, MessageId};
use futures::{FutureExt, StreamExt};
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::answer::{self, Mode};
use super::asked::{Asked as Call, ledger};
use super::ending::Ending;
use super::events::{TurnLog, lease_lost};
use super::markers::{Marker, MarkerFilter};
use super::retrieve::{self, Asked, Retrieved};
use super::routing::Route;
use super::{citations, lease, prompt, queries};
use crate::auth::CurrentUser;
use crate::conversation::CitationView;
use crate::db::journal::Append;
use crate::error::{CanFail, Error, Result};
use crate::llm::{ChatDelta, ChatStream, Usage};
use crate::memory::Said;
use crate::state::AppState;
use crate::web::live::Writer;

/// Earlier messages that are looked at; the token budget decides how many go in.
const HISTORY_MESSAGES: u64 = 100;

/// Longest answer kept, in bytes; a model that runs on is stopped there.
const ANSWER_BYTES_MAX: usize = 200_000;

/// What a turn knows from its beginning.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) state: AppState,
    pub(super) user: CurrentUser,
    pub(super) conversation_id: ConversationId,
    pub(super) user_message_id: MessageId,
    pub(super) position: i32,
    pub(super) assistant_message_id: MessageId,
    pub(super) question: String,
    pub(super) lease_owner: Uuid,
    pub(super) route: Route,
    pub(super) started_at: Instant,
    /// The same, by core's clock.
    pub(super) asked_at: DateTime<Utc>,
}

/// What has been written so far.
#[derive(Debug, Default)]
struct Draft {
    text: String,
    citations: Vec<CitationView>,
    usage: Option<Usage>,
    call: Option<Call>,
    first_token_ms: Option<i32>,
    memories: Vec<Uuid>,
}

/// Runs the turn to its end, under its lease.
pub(super) async fn run(turn: Turn, asked: Asked, writer: Writer) {
    let log = TurnLog::new(turn.state.journal.clone(), turn.assistant_message_id, turn.lease_owner, writer);
    let work = write(&turn, asked, log);
    let life = Duration::from_secs(turn.state.settings.chat.lease_s);
    let lost = lease::keep(&turn.state.core, turn.assistant_message_id, turn.lease_owner, life);
    tokio::select! {
        () = work => {}
        () = lost => tracing::warn!(message.id = %turn.assistant_message_id, "the turn's lease was lost"),
    }
}

async fn write(turn: &Turn, asked: Asked, mut log: TurnLog) {
    let mut draft = Draft::default();
    // A panic is a failure of this turn, and its client hears of it at once.
    let outcome = AssertUnwindSafe(Box::pin(produce(turn, asked, &mut log, &mut draft))).catch_unwind().await;
    let outcome = outcome.unwrap_or_else(|_| Err(Error::internal("writing an answer", "it panicked")));
    let error = match outcome {
        Ok(()) => None,
        Err(error) => {
            tracing::warn!(%error, message.id = %turn.assistant_message_id, "the turn failed");
            Some(error)
        }
    };
    let outcome = if error.is_none() { "complete" } else { "failed" };
    finish(turn, &mut log, draft, error.as_ref())
        .await
        .can_fail("its lease will run out and the turn be marked interrupted");
    turn.state.metrics.turn_ended(outcome, turn.started_at.elapsed());
}

/// Retrieves, asks and streams.
async fn produce(turn: &Turn, asked: Asked, log: &mut TurnLog, draft: &mut Draft) -> Result<()> {
    let state = &turn.state;
    log.event(
        "message_created",
        json!({
            "user_message_id": turn.user_message_id,
            "assistant_message_id": turn.assistant_message_id,
            "conversation_id": turn.conversation_id,
        }),
    );
    log.event("start", json!({ "mode": Mode::of(state).name(), "model": turn.route.model }));
    // Whoever waits for the first word waits for no write that can go on beside the work.
    let (sent, retrieved, remembered, history) = tokio::join!(
        log.flush(),
        retrieve::retrieve(state, &turn.user, asked),
        remember(turn),
        queries::history(&state.core, turn.conversation_id, turn.position, HISTORY_MESSAGES),
    );
    sent?;
    let mut history = history?;
    history.reverse();
    draft.memories = retrieved.memories.iter().map(|memory| memory.id.0).collect();
    announce(log, &retrieved, remembered.as_ref());
    let request = prompt::build(&turn.question, &history, &retrieved, state.settings.chat.history_tokens);
    drop(history);
    let request = turn.route.request(turn, &mut draft.call, request);
    let fact = remembered.as_ref().and_then(|saved| saved.id.map(|_| saved.fact.as_str()));
    let (sent, stream) =
        tokio::join!(log.flush(), answer::start(state, request, &turn.question, &retrieved, fact));
    sent?;
    let stream = stream?.announced(log, draft.call.as_mut());
    follow(turn, log, draft, stream, &retrieved).await
}

/// Reads the answer as it comes. Between two deltas no connection is held.
async fn follow(
    turn: &Turn,
    log: &mut TurnLog,
    draft: &mut Draft,
    mut stream: ChatStream,
    retrieved: &Retrieved,
) -> Result<()> {
    let mut filter = MarkerFilter::new(retrieved.passages.len());
    loop {
        let delta = match log.due() {
            Some(due) => {
                let Ok(delta) = tokio::time::timeout_at(due, stream.next()).await else {
                    log.flush().await?;
                    continue;
                };
                delta
            }
            None => stream.next().await,
        };
        match delta {
            Some(Ok(ChatDelta::Text(text))) => {
                let (text, markers) = filter.push(&text);
                draft.add(turn, log, &text, &markers, retrieved);
                if draft.text.len() > ANSWER_BYTES_MAX {
                    log.event("info", json!({ "code": "answer_too_long" }));
                    break;
                }
            }
            Some(Ok(ChatDelta::Usage(usage))) => {
                draft.usage = Some(draft.usage.unwrap_or_default().and(usage));
            }
            Some(Err(error)) => {
                draft.add(turn, log, &filter.finish(), &[], retrieved);
                return Err(error.into());
            }
            None => break,
        }
    }
    draft.add(turn, log, &filter.finish(), &[], retrieved);
    answer::has_words(&draft.text)
}

impl Draft {
    /// Text that has passed the filter, and the markers in it.
    fn add(&mut self, turn: &Turn, log: &mut TurnLog, text: &str, markers: &[Marker], retrieved: &Retrieved) {
        if text.is_empty() {
            return;
        }
        if self.first_token_ms.is_none() {
            self.first_token_ms = Some(elapsed_ms(turn.started_at));
            turn.state.metrics.first_token(turn.started_at.elapsed());
        }
        self.text.push_str(text);
        self.call.iter_mut().for_each(|call| call.said(text));
        log.text(text);
        for marker in markers {
            if let Some(citation) = citations::cite(&self.text, *marker, &retrieved.passages) {
                log.event("citation", json!(citation));
                self.citations.push(citation);
            }
        }
    }
}

/// What this turn was asked to remember, and the row it became.
struct Remembered {
    fact: String,
    id: Option<Uuid>,
}

/// An explicit "remember that ..." in the user's own words is stored.
async fn remember(turn: &Turn) -> Option<Remembered> {
    let fact = crate::memory::remember_request(&turn.question)?;
    let said_in = Said { conversation_id: turn.conversation_id, message_id: turn.user_message_id };
    let saved = crate::memory::remember(&turn.state, &turn.user, &fact, said_in);
    let deadline = turn.state.settings.chat.retrieval_deadline();
    let saved = tokio::time::timeout(deadline, saved).await.ok();
    if let Some(Err(error)) = &saved {
        tracing::warn!(%error, "a memory could not be stored");
    }
    let id = saved.and_then(Result::ok).map(|id| id.0);
    Some(Remembered { fact, id })
}

fn announce(log: &mut TurnLog, retrieved: &Retrieved, remembered: Option<&Remembered>) {
    retrieved.announce(log);
    match remembered {
        Some(Remembered { id: Some(id), .. }) => {
            log.event("info", json!({ "code": "memory_saved", "memory_id": id }));
        }
        Some(Remembered { id: None, .. }) => log.event("info", json!({ "code": "memory_not_saved" })),
        None => {}
    }
}

/// Stores text, citations and the last events in one transaction, then sends the events.
async fn finish(turn: &Turn, log: &mut TurnLog, mut draft: Draft, error: Option<&Error>) -> Result<()> {
    let latency_ms = elapsed_ms(turn.started_at);
    let problem = error.map(|error| {
        json!({
            "code": error.code(),
            "detail": public_detail(error),
            "retryable": error.status().is_server_error(),
        })
    });
    let done = || json!({ "content": draft.text, "usage": draft.usage, "latency_ms": latency_ms });
    match &problem {
        Some(problem) => log.event("error", problem.clone()),
        None => log.event("done", done()),
    }
    let status = if problem.is_some() { Status::Failed } else { Status::Complete };
    let settling = ledger(turn, draft.call.as_mut(), draft.usage, status);
    let ending = Ending {
        status,
        content: &draft.text,
        mode: Mode::of(&turn.state).name(),
        model: draft.call.as_ref().map_or(&turn.route.model, |call| &call.model),
        memories: json!(draft.memories),
        usage: draft.usage,
        first_token_ms: draft.first_token_ms,
        latency_ms,
        error: problem,
        settling,
    };
    let entries = log.take();
    let gone = store(turn, &log.lines(&entries), &ending, &draft.citations).await?;
    draft.call.iter_mut().for_each(Call::is_settled);
    log.send(entries);
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

/// The error's words, unless they are for the log only.
fn public_detail(error: &Error) -> String {
    match error {
        Error::Upstream { detail, .. } | Error::Unavailable { detail, .. } => detail.clone(),
        _ => "an internal error; the log has it".to_owned(),
    }
}

fn elapsed_ms(since: Instant) -> i32 {
    i32::try_from(since.elapsed().as_millis()).unwrap_or(i32::MAX)
}
