//! The rounds of an answer: the model speaks, calls tools, reads what came of it
//! and speaks again.
//!
//! What was asked stays as it was, instructions, data and history included; the
//! model's calls and the results follow it as messages of their own kinds. After
//! the last round the model is asked without tools, so that it comes to an end.

use std::collections::HashSet;
use std::sync::Arc;

use futures::StreamExt;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use super::answer::{self, ANSWER_BYTES_MAX};
use super::approval::{self, REQUIRED, Waiting};
use super::attribution::Attribution;
use super::brought;
use super::events::{TurnLog, lease_lost};
use super::markers::{Marker, MarkerFilter};
use super::sources::Sources;
use super::turn::{Draft, Turn};
use crate::auth::Grants;
use crate::error::{Error, Result};
use crate::llm::{ChatDelta, ChatMessage, ChatRequest, ChatStream, Cut, ModelError, ToolCall};
use crate::tools::{self, Caller, ExternalTools, InTurn, Report, Verdict};

/// An answer in the making.
pub(super) struct Rounds<'a> {
    turn: &'a Turn,
    request: ChatRequest,
    caller: Caller,
    /// What can be cited.
    sources: Sources,
    filter: MarkerFilter,
    /// None: there are no figures.
    attribution: Option<Attribution>,
    /// Characters that results may still have.
    characters_left: usize,
    records: Vec<Value>,
    /// Ids of the calls so far.
    called: HashSet<String>,
}

/// What the model said in one round.
#[derive(Debug, Default)]
struct Said {
    text: String,
    calls: Vec<ToolCall>,
    /// It was ended early.
    cut: Option<Cut>,
}

impl<'a> Rounds<'a> {
    /// An answer to `request`, in which these are the sources.
    pub(super) fn new(
        turn: &'a Turn,
        request: ChatRequest,
        sources: Sources,
        has_foreign_text: bool,
        external: ExternalTools,
    ) -> Self {
        let caller = Caller {
            state: turn.state.clone(),
            user: turn.user.clone(),
            grants: Grants::Person,
            pair: turn.cast.pair,
            turn: Some(InTurn {
                conversation_id: turn.conversation_id,
                generation: turn.generation,
                user_message_id: turn.user_message_id,
                said: Arc::from(turn.question.as_str()),
                has_foreign_text,
                external,
            }),
        };
        let filter = match &turn.brought {
            Some(brought) => brought.question.filter(sources.len()),
            None => MarkerFilter::new(sources.len()),
        };
        let characters_left = turn.state.settings.tools.turn_characters;
        Self {
            turn,
            request,
            caller,
            attribution: sources.has_figures().then(Attribution::default),
            sources,
            filter,
            characters_left,
            records: Vec::new(),
            called: HashSet::new(),
        }
    }

    /// Reads the answer that has begun, and runs rounds of tools until it ends.
    pub(super) async fn run(
        &mut self,
        log: &mut TurnLog,
        draft: &mut Draft,
        mut stream: ChatStream,
    ) -> Result<()> {
        for round in 1.. {
            let said = self.follow(log, draft, stream).await?;
            if said.calls.is_empty() || said.cut.is_some() || self.request.tools.is_empty() {
                if self.turn.brought.is_some() {
                    return brought::ended(self.turn, log, draft, said.calls, said.cut).await;
                }
                break;
            }
            self.call(log, said).await?;
            if round >= self.turn.state.settings.tools.rounds {
                self.request.tools.clear();
            }
            match self.turn.route.again(self.turn, draft, &mut self.request).await {
                // What was said stands.
                Err(Error::OverQuota(_)) if answer::has_words(&draft.text).is_ok() => {
                    log.event("info", json!({ "code": "quota_reached" }));
                    return self.store().await;
                }
                outcome => outcome?,
            }
            let (sent, stored, next) = tokio::join!(log.flush(), self.store(), self.ask());
            sent?;
            stored?;
            stream = next?;
        }
        answer::has_words(&draft.text)
    }

    /// Reads one round as it comes. Between two deltas no connection is held.
    async fn follow(&mut self, log: &mut TurnLog, draft: &mut Draft, mut stream: ChatStream) -> Result<Said> {
        let mut said = Said::default();
        let mut has_break = draft.text.is_empty();
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
                    draft.call.iter_mut().for_each(|call| call.said(&text));
                    if !std::mem::replace(&mut has_break, true) {
                        self.add(log, draft, "\n\n");
                    }
                    self.add(log, draft, &text);
                    said.text.push_str(&text);
                    if draft.text.len() > ANSWER_BYTES_MAX {
                        log.event("info", json!({ "code": "answer_too_long" }));
                        said.cut = Some(Cut::Length);
                        break;
                    }
                }
                Some(Ok(ChatDelta::Usage(usage))) => draft.counted(usage),
                Some(Ok(ChatDelta::Cut(cut))) => {
                    self.release(log, draft);
                    log.event("info", json!({ "code": "answer_cut", "reason": cut.name() }));
                    said.cut = Some(cut);
                }
                Some(Ok(ChatDelta::ToolCalls(calls))) => {
                    draft.call.iter_mut().for_each(|call| call.called(&calls));
                    said.calls = calls;
                }
                Some(Err(error)) => {
                    self.release(log, draft);
                    return Err(error.into());
                }
                None => break,
            }
        }
        self.release(log, draft);
        Ok(said)
    }

    fn add(&mut self, log: &mut TurnLog, draft: &mut Draft, text: &str) {
        let (text, markers) = self.filter.push(text);
        self.attribute(log, draft, text, markers);
    }

    /// Text that has passed the filter, with markers for figures that have none.
    fn attribute(&mut self, log: &mut TurnLog, draft: &mut Draft, text: String, markers: Vec<Marker>) {
        let (text, markers) = match &mut self.attribution {
            Some(attribution) => attribution.push(&text, &markers, &|said| self.sources.holding(said)),
            None => (text, markers),
        };
        draft.add(self.turn, log, &text, &markers, &self.sources);
    }

    /// What the filter held back goes out.
    fn release(&mut self, log: &mut TurnLog, draft: &mut Draft) {
        let text = self.filter.finish();
        self.attribute(log, draft, text, Vec::new());
        if let Some(attribution) = &mut self.attribution {
            let (text, markers) = attribution.finish(&|said| self.sources.holding(said));
            draft.add(self.turn, log, &text, &markers, &self.sources);
        }
    }

    /// Runs the calls of a round and puts them with their results into the request.
    async fn call(&mut self, log: &mut TurnLog, mut said: Said) -> Result<()> {
        approval::name_apart(&mut self.called, &mut said.calls);
        let waiting = Waiting::of(self.turn, &self.caller, &said.calls);
        let is_waiting = waiting.note(self.turn).await?;
        for call in &said.calls {
            self.announce(log, call, &waiting);
        }
        self.request.messages.push(ChatMessage::calling(said.text, said.calls.clone()));
        if is_waiting {
            log.flush().await?;
        }
        let verdicts = waiting.verdicts(self.turn).await?;
        let run = tools::run(&self.caller, said.calls, &verdicts, self.characters_left);
        let (sent, reports) = tokio::join!(log.flush(), run);
        sent?;
        for report in reports {
            self.take(log, report);
        }
        self.filter.know(self.sources.len());
        if self.attribution.is_none() && self.sources.has_figures() {
            self.attribution = Some(Attribution::after(self.filter.passed()));
        }
        if let Some(turn) = &mut self.caller.turn {
            turn.has_foreign_text = true;
        }
        Ok(())
    }

    /// Shows a call, and whether it waits for the user.
    fn announce(&self, log: &mut TurnLog, call: &ToolCall, waiting: &Waiting) {
        let arguments = tools::shown_arguments(call);
        let mut shown = json!({ "id": call.id, "name": call.name, "arguments": arguments });
        if let Some(standing) = waiting.calls.get(&call.id) {
            shown["approval"] = json!(standing);
            if *standing == REQUIRED {
                shown["expires_in_s"] = json!(self.turn.state.settings.tools.approval_timeout_s);
            }
        }
        log.event("tool_call", shown);
    }

    fn take(&mut self, log: &mut TurnLog, mut report: Report) {
        self.sources.take(&mut report);
        log.event(
            "tool_result",
            json!({
                "id": report.id,
                "name": report.name,
                "ok": report.is_ok(),
                "duration_ms": report.duration_ms,
                "truncated": report.truncated,
                "approval": report.approval.map(Verdict::name),
            }),
        );
        if let Some(notice) = report.notice() {
            log.event("info", notice.clone());
        }
        let envelope = report.envelope();
        self.characters_left = self.characters_left.saturating_sub(envelope.chars().count());
        self.records.push(report.record());
        self.request.messages.push(ChatMessage::answering(report.id, envelope));
    }

    async fn ask(&self) -> Result<ChatStream> {
        let chat = self.turn.state.models.chat.as_ref();
        let chat = chat.ok_or_else(|| Error::internal("going on with an answer", "there is no model"))?;
        chat.stream(self.request.clone()).await.map_err(|error: ModelError| error.into())
    }

    /// Keeps the calls so far with the answer. Fails if the lease is lost.
    async fn store(&self) -> Result<()> {
        let statement = Statement::from_sql_and_values(
            DbBackend::Postgres,
            "UPDATE messages SET tool_calls = $3
              WHERE id = $1 AND lease_owner = $2 AND status = 'streaming' AND lease_expires_at > now()",
            [
                self.turn.assistant_message_id.0.into(),
                self.turn.lease_owner.into(),
                Value::Array(self.records.clone()).into(),
            ],
        );
        let stored = self.turn.state.core.execute_raw(statement).await?.rows_affected();
        if stored == 0 { Err(lease_lost()) } else { Ok(()) }
    }
}
