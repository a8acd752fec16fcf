//! A response from what is kept of it.

use entity::core::message::Status;
use serde_json::{Value, json};

use super::object::{Head, Stage};
use super::telling::{End, Telling};
use crate::chat::brought::Kept;
use crate::openai::numbers;

/// The response as it is now.
pub(super) fn object(kept: &Kept) -> Value {
    let (telling, end, _) = told(kept);
    match end {
        Some(end) => {
            let failure =
                end.error.map_or(Value::Null, |(code, detail)| super::object::error(&code, &detail));
            telling.object(end.stage, end.usage, failure)
        }
        None => telling.object(Stage::InProgress, Value::Null, Value::Null),
    }
}

/// The events of a response whose log is gone: its text comes in one piece. Who
/// has had some of them is only told the end, under the next number.
pub(super) fn events(kept: &Kept, after: Option<u64>) -> Vec<Value> {
    let (mut telling, end, mut events) = told(kept);
    let Some(end) = end else { return Vec::new() };
    events.extend(telling.end(end));
    let Some(after) = after else { return events };
    let ending = events.pop().map(|mut ending| {
        ending["sequence_number"] = json!(after.saturating_add(1));
        ending
    });
    ending.into_iter().collect()
}

/// Everything but the end, the end if there is one, and the events so far.
fn told(kept: &Kept) -> (Telling, Option<End>, Vec<Value>) {
    let message = &kept.message;
    let mut telling = Telling::new(Head::new(message.id, kept.response.request.clone()));
    let mut events = telling.begin();
    if !message.content.is_empty() {
        events.extend(telling.text(&message.content));
    }
    for citation in &message.citations {
        events.extend(telling.cite(&json!(citation)));
    }
    for call in kept.response.calls.as_array().into_iter().flatten() {
        events.extend(telling.call(call));
    }
    if let Some(cut) = &kept.response.cut {
        telling.cut(cut);
    }
    let stage = match message.status {
        Status::Streaming => return (telling, None, events),
        Status::Complete => telling.stage(),
        Status::Cancelled => Stage::Cancelled,
        Status::Failed | Status::Interrupted => Stage::Failed,
    };
    let said = |name: &str| kept.error.as_ref().and_then(|error| error[name].as_str()).map(ToOwned::to_owned);
    let error = (stage == Stage::Failed).then(|| {
        let interrupted = ("turn_interrupted", "the turn was interrupted; send again");
        (
            said("code").unwrap_or_else(|| interrupted.0.to_owned()),
            said("detail").unwrap_or_else(|| interrupted.1.to_owned()),
        )
    });
    let usage = numbers::response_usage(message.usage);
    (telling, Some(End { stage, usage, error }), events)
}
