//! What came of a call: for the model, for the user, and for the record.

use chrono::NaiveDate;
use serde_json::{Value, json};
use uuid::Uuid;

use super::cut::{MARK, characters, fit};
use crate::error::Error;
use crate::knowledge::Passage;
use crate::llm::ToolCall;

/// Characters of an error.
const MESSAGE_CHARACTERS: usize = 500;
/// Characters of the arguments that are told back.
const REQUESTED_CHARACTERS: usize = 2000;

/// What a tool found or did.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    /// For the model. Lists are `items`, the best first.
    pub(super) data: Value,
    /// The passages behind the items, in their order; they can be cited.
    pub(super) passages: Vec<Passage>,
    /// What the figures are of, which can be cited: one, of all of them; several, of
    /// the items, in their order.
    pub(super) figures: Vec<FiguresOf>,
    /// The arguments as they were applied.
    pub(super) applied: Value,
    /// Kept with the answer: ids, none of the words, which go when their source goes.
    pub(super) record: Value,
    /// Told to the user at once, by the server.
    pub(super) notice: Option<Value>,
}

/// What figures are of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FiguresOf {
    /// The user's portfolio; none: they are prices.
    pub portfolio_id: Option<Uuid>,
    /// What they are shown under.
    pub title: String,
    /// Their day.
    pub as_of: Option<NaiveDate>,
}

/// Why a call has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolError {
    /// Machine-readable reason.
    pub kind: &'static str,
    /// For the model to read.
    pub message: String,
}

impl ToolError {
    pub(super) fn new(kind: &'static str, message: impl Into<String>) -> Self {
        // What a model wrote can stand in it, and it is stored.
        let message = message.into().chars().filter(|c| *c != '\0').take(MESSAGE_CHARACTERS).collect();
        Self { kind, message }
    }
}

impl From<Error> for ToolError {
    fn from(error: Error) -> Self {
        match &error {
            Error::Invalid(_) | Error::Malformed(_) => Self::new("bad_arguments", error.to_string()),
            Error::NotFound(_) => Self::new("not_found", error.to_string()),
            Error::Forbidden { .. } => Self::new("refused", error.to_string()),
            Error::Unavailable { .. } | Error::Upstream { .. } => Self::new("unavailable", error.to_string()),
            _ => {
                tracing::warn!(%error, "a tool failed");
                Self::new("failed", "an internal error")
            }
        }
    }
}

/// What came of one call.
#[derive(Clone, Debug)]
pub struct Report {
    /// The call.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, read as far as they could be.
    pub arguments: Value,
    /// How long it took.
    pub duration_ms: u64,
    /// Something was cut off.
    pub truncated: bool,
    /// By which the result is cited as a whole.
    pub number: Option<usize>,
    /// What the user said of it, if it had to be approved.
    pub approval: Option<Verdict>,
    pub(super) outcome: Result<Found, ToolError>,
}

impl Report {
    /// Whether there is a result.
    pub fn is_ok(&self) -> bool {
        self.outcome.is_ok()
    }

    /// What the user is to be told at once.
    pub fn notice(&self) -> Option<&Value> {
        self.outcome.as_ref().ok()?.notice.as_ref()
    }

    /// Gives the passages that were found the numbers by which they are cited.
    pub fn number(&mut self, mut number_of: impl FnMut(&Passage) -> usize) {
        let Ok(found) = &mut self.outcome else { return };
        let Some(items) = found.data.get_mut("items").and_then(Value::as_array_mut) else { return };
        let records = found.record.get_mut("items").and_then(Value::as_array_mut);
        let mut records = records.into_iter().flatten();
        for (item, passage) in items.iter_mut().zip(&found.passages) {
            let number = number_of(passage);
            item["number"] = json!(number);
            if let Some(record) = records.next() {
                record["number"] = json!(number);
            }
        }
    }

    /// Gives the figures that were found the numbers by which they are cited, with
    /// what the model reads of them.
    pub fn number_figures(&mut self, mut number_of: impl FnMut(&FiguresOf, &Value) -> usize) {
        let Ok(Found { data, figures, record, .. }) = &mut self.outcome else { return };
        if let [only] = figures.as_slice() {
            let number = number_of(only, data);
            record["number"] = json!(number);
            self.number = Some(number);
            return;
        }
        let Some(items) = data.get_mut("items").and_then(Value::as_array_mut) else { return };
        let records = record.get_mut("items").and_then(Value::as_array_mut);
        let mut records = records.into_iter().flatten();
        for (item, of) in items.iter_mut().zip(figures.iter()) {
            let number = number_of(of, item);
            item["number"] = json!(number);
            if let Some(record) = records.next() {
                record["number"] = json!(number);
            }
        }
    }

    /// The call's result as the model reads it.
    pub fn envelope(&self) -> String {
        let Self { arguments, duration_ms, truncated, .. } = self;
        let requested = Some(arguments).filter(|given| characters(given) <= REQUESTED_CHARACTERS);
        let applied = self.outcome.as_ref().ok().map(|found| &found.applied);
        let error =
            self.outcome.as_ref().err().map(|error| json!({ "type": error.kind, "message": error.message }));
        let data = self.outcome.as_ref().ok().map(|found| &found.data);
        let mut meta = json!({
            "tool": self.name,
            "requested": requested,
            "applied": applied,
            "truncated": truncated,
            "duration_ms": duration_ms,
        });
        if let Some(number) = self.number {
            meta["number"] = json!(number);
        }
        json!({ "meta": meta, "data": data, "error": error }).to_string()
    }

    /// The call as it is kept with the answer.
    pub fn record(&self) -> Value {
        let (result, error) = match &self.outcome {
            Ok(found) => (Some(&found.record), None),
            Err(error) => (None, Some(json!({ "type": error.kind, "message": error.message }))),
        };
        json!({
            "id": self.id,
            "name": self.name,
            "arguments": shown(&self.arguments),
            "ok": self.is_ok(),
            "duration_ms": self.duration_ms,
            "truncated": self.truncated,
            "approval": self.approval.map(Verdict::name),
            "result": result,
            "error": error,
        })
    }

    /// Cuts the result to `limit` characters.
    pub(super) fn fit(&mut self, limit: usize) {
        if let Ok(found) = &mut self.outcome {
            self.truncated |= fit(found, limit);
        }
    }
}

/// What the user said of a call that has to be approved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may run, with the arguments it has.
    Approved,
    /// It may not.
    Denied,
    /// Nothing, in the time there was.
    Unanswered,
    /// The user was not asked: nobody is there to answer.
    Unasked,
    /// The user was not asked: the arguments are too long to be shown whole.
    TooLong,
}

impl Verdict {
    /// As events and records name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Denied => "denied",
            Self::Unanswered => "expired",
            Self::Unasked => "unavailable",
            Self::TooLong => "too_long",
        }
    }

    /// Why the call does not run; none if it does.
    pub(super) fn refusal(self) -> Option<ToolError> {
        let (kind, message) = match self {
            Self::Approved => return None,
            Self::Denied => ("denied", "the user denied this call; do not try again"),
            Self::Unanswered => ("not_approved", "the user did not approve this call in time"),
            Self::Unasked => (
                "needs_approval",
                "documents, memories, results of tools or earlier answers are part of this turn: this tool needs the user's approval, which cannot be given here",
            ),
            Self::TooLong => (
                "needs_approval",
                "the arguments are too long to be shown to the user, who has to approve them",
            ),
        };
        Some(ToolError::new(kind, message))
    }
}

/// Whether users see the arguments of a call as they are, so that they can approve them.
pub fn is_shown_whole(call: &ToolCall) -> bool {
    serde_json::from_str::<Value>(&call.arguments).is_ok_and(|arguments| shown(&arguments) == arguments)
}

/// The arguments of a call as users see them.
pub fn shown_arguments(call: &ToolCall) -> Value {
    let text = || Value::String(call.arguments.clone());
    shown(&serde_json::from_str(&call.arguments).unwrap_or_else(|_| text()))
}

/// Arguments as users see them: cut, and without what no database row can hold.
fn shown(arguments: &Value) -> Value {
    let text = arguments.to_string();
    if text.chars().count() <= REQUESTED_CHARACTERS && !text.contains("\\u0000") {
        return arguments.clone();
    }
    let text: String = text.replace("\\u0000", "").chars().take(REQUESTED_CHARACTERS).collect();
    Value::String(text + MARK)
}
