//! One turn, from the stored question to the stored answer.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use chrono::{DateTime, Utc};
use entity::core::message::{self, Role};
use entity::ids::{ConversationId, MessageId};
use futures::FutureExt;
use serde_json::json;
use tokio::time::Instant;
use uuid::Uuid;

use super::answer::{self, Mode};
use super::asked::Asked as Call;
use super::brought::{self, Brought};
use super::ending::End;
use super::events::TurnLog;
use super::finish::finish;
use super::markers::Marker;
use super::prompt::Built;
use super::retrieve::{self, Asked};
use super::rounds::Rounds;
use super::routing::Route;
use super::sources::Sources;
use super::stop::unless_stopped;
use super::{citations, figures, lease, prompt, summary};
use crate::auth::CurrentUser;
use crate::conversation::CitationView;
use crate::error::{CanFail, Error, Result};
use crate::llm::Usage;
use crate::memory::Said;
use crate::persona::Cast;
use crate::state::AppState;
use crate::tools::{self, ExternalTools};
use crate::web::live::Writer;
use crate::web::signals::Signals;

/// Earlier messages that are looked at; the token budget decides how many go in.
const HISTORY_MESSAGES: u64 = 100;

/// What a turn knows from its beginning.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) state: AppState,
    pub(super) user: CurrentUser,
    pub(super) cast: Cast,
    pub(super) conversation_id: ConversationId,
    /// Which conversation of that id.
    pub(super) generation: i64,
    pub(super) user_message_id: MessageId,
    pub(super) assistant_message_id: MessageId,
    pub(super) question: String,
    /// Whoever follows can be asked to approve calls of tools.
    pub(super) can_ask: bool,
    /// What the client of another API asks instead.
    pub(super) brought: Option<Brought>,
    /// Its user has a portfolio to ask about.
    pub(super) has_portfolio: bool,
    /// Nothing was said before it.
    pub(super) is_first: bool,
    /// Its conversation had no title when it began.
    pub(super) is_untitled: bool,
    pub(super) lease_owner: Uuid,
    pub(super) route: Route,
    pub(super) started_at: Instant,
    /// The same, by core's clock.
    pub(super) asked_at: DateTime<Utc>,
}

/// What has been written so far.
#[derive(Debug, Default)]
pub(super) struct Draft {
    pub(super) text: String,
    pub(super) citations: Vec<CitationView>,
    /// As the provider counted, all rounds together.
    pub(super) usage: Option<Usage>,
    /// The model that was asked, if one was.
    pub(super) call: Option<Call>,
    pub(super) first_token_ms: Option<i32>,
    pub(super) memories: Vec<Uuid>,
    /// A summary is to tell of what was said up to here.
    pub(super) fallen: Option<MessageId>,
}

/// Runs the turn to its end, under its lease.
pub(super) async fn run(turn: Turn, asked: Option<Asked>, writer: Writer) {
    let signals = writer.signals();
    let log = TurnLog::new(turn.state.journal.clone(), turn.assistant_message_id, turn.lease_owner, writer);
    let work = write(&turn, asked, log, &signals);
    let life = Duration::from_secs(turn.state.settings.chat.lease_s);
    let lost = lease::keep(&turn.state.core, turn.assistant_message_id, turn.lease_owner, life, &signals);
    tokio::select! {
        () = work => {}
        () = lost => tracing::warn!(message.id = %turn.assistant_message_id, "the turn's lease was lost"),
    }
}

async fn write(turn: &Turn, asked: Option<Asked>, mut log: TurnLog, signals: &Signals) {
    let mut draft = Draft::default();
    let flushing = log.flushing();
    // A panic is a failure of this turn, and its client hears of it at once.
    let work = AssertUnwindSafe(produce(turn, asked, &mut log, &mut draft).boxed()).catch_unwind();
    let end = match unless_stopped(work, signals, &flushing).await {
        Ok(Ok(Ok(()))) => End::Complete,
        Ok(Ok(Err(error))) => End::Failed(error),
        Ok(Err(_)) => End::Failed(Error::internal("writing an answer", "it panicked")),
        Err(why) => End::Stopped(why),
    };
    if let End::Failed(error) = &end {
        tracing::warn!(%error, message.id = %turn.assistant_message_id, "the turn failed");
    }
    let finished = finish(turn, &mut log, draft, &end).boxed().await;
    finished.can_fail("its lease will run out and the turn be marked interrupted");
    turn.state.metrics.turn_ended(end.name(), turn.started_at.elapsed());
}

/// Retrieves, asks and streams.
async fn produce(turn: &Turn, asked: Option<Asked>, log: &mut TurnLog, draft: &mut Draft) -> Result<()> {
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
    let forgotten = if turn.brought.is_none() { forget(turn, log).await } else { None };
    let found = async {
        tokio::join!(
            retrieve::retrieve(state, &turn.user, turn.cast.pair, asked, brought::wanted(turn)),
            remember(turn),
            brought::history(turn, HISTORY_MESSAGES),
            summary::of(turn),
            offered(turn),
            figures::of(turn),
        )
    };
    let (mut retrieved, remembered, history, summary, external, known) = log.beside(found.boxed()).await?;
    let (mut history, summary) = (history?, summary?);
    retrieved.figures = known;
    history.reverse();
    // Earlier answers may repeat what documents said, a file can say anything,
    // and who wrote a character is not known.
    let is_foreign = |message: &message::Model| message.imported || message.role == Role::Assistant;
    let has_foreign_text = !retrieved.is_empty()
        || !turn.cast.pair.is_empty()
        || summary.is_some()
        || history.iter().any(is_foreign);
    let past = summary::past(state, &history, summary.as_ref());
    let note = forgotten.as_deref();
    let built = match &turn.brought {
        Some(brought) => Built { request: brought.question.request(&retrieved), fallen: None },
        None => prompt::build(turn, past, &mut retrieved, note, &external),
    };
    drop(history);
    draft.fallen = built.fallen;
    let request = turn.route.request(turn, &mut draft.call, built.request);
    draft.memories = retrieved.memories.iter().map(|memory| memory.id.0).collect();
    retrieved.announce(log, turn.cast.pair, draft.call.as_ref().map(Call::prompt_tokens));
    announce(log, remembered.as_ref());
    let fact = remembered.as_ref().and_then(|saved| saved.id.map(|_| saved.fact.as_str()));
    let (sent, stream) =
        tokio::join!(log.flush(), answer::start(state, request.clone(), &turn.question, &retrieved, fact));
    sent?;
    let stream = stream?.announced(log, draft.call.as_mut());
    let sources = Sources::of(retrieved.passages, retrieved.figures);
    Rounds::new(turn, request, sources, has_foreign_text, external).run(log, draft, stream).await
}

/// Tools of external servers; a client of another API brings its own.
async fn offered(turn: &Turn) -> ExternalTools {
    if turn.brought.is_some() {
        return ExternalTools::default();
    }
    tools::external::offered(&turn.state).await
}

/// Deletes the memories that an earlier answer asked about, if this message
/// says yes; a note of it for the model.
async fn forget(turn: &Turn, log: &mut TurnLog) -> Option<String> {
    let gone = tools::forget_confirmed(&turn.state, &turn.user, turn.conversation_id, &turn.question).await;
    match gone {
        Ok(gone) => gone.map(|ids| {
            log.event("info", json!({ "code": "memories_forgotten", "memory_ids": ids }));
            format!("The user confirmed, and the application deleted {} memories.", ids.len())
        }),
        Err(error) => {
            tracing::warn!(%error, "memories could not be forgotten");
            log.event("info", json!({ "code": "memories_not_forgotten" }));
            Some("The user confirmed, but the memories could not be deleted now.".to_owned())
        }
    }
}

impl Draft {
    /// The provider's count of a round.
    pub(super) fn counted(&mut self, usage: Usage) {
        self.usage = Some(self.usage.unwrap_or_default().and(usage));
        self.call.iter_mut().for_each(|call| call.counted(usage));
    }

    /// Text that has passed the filter, and the markers in it.
    pub(super) fn add(
        &mut self,
        turn: &Turn,
        log: &mut TurnLog,
        text: &str,
        markers: &[Marker],
        sources: &Sources,
    ) {
        if text.is_empty() {
            return;
        }
        if self.first_token_ms.is_none() {
            self.first_token_ms = Some(elapsed_ms(turn.started_at));
            turn.state.metrics.first_token(turn.started_at.elapsed());
        }
        self.text.push_str(text);
        log.text(text);
        for marker in markers {
            if let Some(citation) = citations::cite(&self.text, *marker, sources) {
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
    let fact = crate::memory::remember_request(brought::told(turn))?;
    let said_in = Said {
        conversation_id: turn.conversation_id,
        generation: turn.generation,
        message_id: turn.user_message_id,
    };
    let saved = crate::memory::remember(&turn.state, &turn.user, turn.cast.pair, &fact, said_in);
    let deadline = turn.state.settings.chat.retrieval_deadline();
    let saved = tokio::time::timeout(deadline, saved).await.ok();
    if let Some(Err(error)) = &saved {
        tracing::warn!(%error, "a memory could not be stored");
    }
    let id = saved.and_then(Result::ok).map(|id| id.0);
    Some(Remembered { fact, id })
}

fn announce(log: &mut TurnLog, remembered: Option<&Remembered>) {
    match remembered {
        Some(Remembered { id: Some(id), .. }) => {
            log.event("info", json!({ "code": "memory_saved", "memory_id": id }));
        }
        Some(Remembered { id: None, .. }) => log.event("info", json!({ "code": "memory_not_saved" })),
        None => {}
    }
}

pub(super) fn elapsed_ms(since: Instant) -> i32 {
    i32::try_from(since.elapsed().as_millis()).unwrap_or(i32::MAX)
}
