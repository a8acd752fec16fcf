//! The events of a response, made from those of its turn.
//!
//! The same turn makes the same events with the same numbers, whoever asks and
//! whenever: a turn's events are numbered and stored before anyone sees them, and
//! what is made of them depends on nothing else. A client that was cut names the
//! last number it has, and gets what comes after.

use serde_json::{Value, json};

use super::object::{Head, Stage, State, error};
use crate::openai::{cite, numbers};
use crate::web::live::Entry;

/// A response that is being told.
#[derive(Debug)]
pub(super) struct Telling {
    head: Head,
    next: u64,
    text: String,
    annotations: Vec<Value>,
    calls: Vec<Value>,
    cut: Option<String>,
    /// Its message has begun, and is not closed.
    is_open: bool,
}

/// How a response ends.
#[derive(Clone, Debug)]
pub(super) struct End {
    pub(super) stage: Stage,
    pub(super) usage: Value,
    /// Code and detail.
    pub(super) error: Option<(String, String)>,
}

impl Telling {
    pub(super) fn new(head: Head) -> Self {
        let (text, annotations, calls) = (String::new(), Vec::new(), Vec::new());
        Self { head, next: 0, text, annotations, calls, cut: None, is_open: false }
    }

    /// What an event of the turn becomes; none if it is in no log and so has no number.
    pub(super) fn take(&mut self, entry: &Entry) -> Option<Vec<Value>> {
        let data = &*entry.data;
        Some(match entry.event.as_str() {
            "message_created" => self.begin(),
            "token" => self.text(data["delta"].as_str().unwrap_or_default()),
            "citation" => self.cite(data),
            "client_call" => self.call(data),
            "info" => {
                self.note(data);
                Vec::new()
            }
            "done" => {
                let usage = serde_json::from_value(data["usage"].clone()).ok();
                let stage = if data["cancelled"] == true { Stage::Cancelled } else { self.stage() };
                self.end(End { stage, usage: numbers::response_usage(usage), error: None })
            }
            "error" if entry.seq == 0 => return None,
            "error" => {
                let said = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
                let error = Some((said("code"), said("detail")));
                self.end(End { stage: Stage::Failed, usage: Value::Null, error })
            }
            _ => Vec::new(),
        })
    }

    pub(super) fn begin(&mut self) -> Vec<Value> {
        let response = self.object(Stage::InProgress, Value::Null, Value::Null);
        vec![
            self.event("response.created", json!({ "response": response })),
            self.event("response.in_progress", json!({ "response": response })),
        ]
    }

    /// More of the text.
    pub(super) fn text(&mut self, delta: &str) -> Vec<Value> {
        let mut events = self.open();
        self.text.push_str(delta);
        events.push(self.part("response.output_text.delta", json!({ "delta": delta, "logprobs": [] })));
        events
    }

    /// What a marker in the text so far stands for.
    pub(super) fn cite(&mut self, citation: &Value) -> Vec<Value> {
        let mut events = self.open();
        let annotation = cite::flat(citation);
        let fields = json!({ "annotation_index": self.annotations.len(), "annotation": annotation });
        self.annotations.push(annotation);
        events.push(self.part("response.output_text.annotation.added", fields));
        events
    }

    /// A tool of the client's is called: `{id, name, arguments}`.
    pub(super) fn call(&mut self, call: &Value) -> Vec<Value> {
        let mut events = self.close("completed");
        let (index, id) = (self.output_index() + self.calls.len(), self.head.call_id(self.calls.len()));
        let item = self.call_item(call, self.calls.len());
        let mut begun = item.clone();
        begun["arguments"] = json!("");
        begun["status"] = json!("in_progress");
        events
            .push(self.event("response.output_item.added", json!({ "output_index": index, "item": begun })));
        let arguments = &call["arguments"];
        let delta = json!({ "item_id": id, "output_index": index, "delta": arguments });
        events.push(self.event("response.function_call_arguments.delta", delta));
        let done =
            json!({ "item_id": id, "output_index": index, "name": call["name"], "arguments": arguments });
        events.push(self.event("response.function_call_arguments.done", done));
        events.push(self.event("response.output_item.done", json!({ "output_index": index, "item": item })));
        self.calls.push(item);
        events
    }

    /// Why the answer was ended early, if an `info` event says that.
    fn note(&mut self, info: &Value) {
        match info["code"].as_str() {
            Some("answer_cut") => self.cut = info["reason"].as_str().map(ToOwned::to_owned),
            Some("answer_too_long") => self.cut = Some("length".to_owned()),
            _ => {}
        }
    }

    /// The answer was ended early.
    pub(super) fn cut(&mut self, reason: &str) {
        self.cut = Some(reason.to_owned());
    }

    /// How an answer ends that came to its end.
    pub(super) fn stage(&self) -> Stage {
        if self.cut.is_some() { Stage::Incomplete } else { Stage::Completed }
    }

    pub(super) fn end(&mut self, end: End) -> Vec<Value> {
        let mut events = self.close(if end.stage == Stage::Completed { "completed" } else { "incomplete" });
        let failure = end.error.map_or(Value::Null, |(code, detail)| error(&code, &detail));
        let response = self.object(end.stage, end.usage, failure);
        events.push(self.event(end.stage.event(), json!({ "response": response })));
        events
    }

    /// The response as it stands.
    pub(super) fn object(&self, stage: Stage, usage: Value, error: Value) -> Value {
        let output = match stage {
            Stage::InProgress => Vec::new(),
            Stage::Completed => self.output("completed"),
            Stage::Incomplete | Stage::Cancelled | Stage::Failed => self.output("incomplete"),
        };
        self.head.object(&State { stage, output, usage, error, cut: self.cut.clone() })
    }

    fn output(&self, status: &str) -> Vec<Value> {
        let message = (!self.text.is_empty()).then(|| self.message(status));
        // The words before a call are whole.
        let message = message.map(|mut message| {
            if !self.calls.is_empty() {
                message["status"] = json!("completed");
            }
            message
        });
        message.into_iter().chain(self.calls.iter().cloned()).collect()
    }

    fn message(&self, status: &str) -> Value {
        let content = json!([self.output_text()]);
        json!({ "id": self.head.message_id(), "type": "message", "status": status, "role": "assistant", "content": content })
    }

    fn output_text(&self) -> Value {
        json!({ "type": "output_text", "text": self.text, "annotations": self.annotations, "logprobs": [] })
    }

    fn call_item(&self, call: &Value, index: usize) -> Value {
        json!({
            "id": self.head.call_id(index), "type": "function_call", "status": "completed",
            "call_id": call["id"], "name": call["name"], "arguments": call["arguments"],
        })
    }

    /// Calls come after the message, if there is one.
    fn output_index(&self) -> usize {
        usize::from(!self.text.is_empty())
    }

    fn open(&mut self) -> Vec<Value> {
        if self.is_open {
            return Vec::new();
        }
        self.is_open = true;
        let item = json!({ "id": self.head.message_id(), "type": "message", "status": "in_progress", "role": "assistant", "content": [] });
        let part = json!({ "type": "output_text", "text": "", "annotations": [], "logprobs": [] });
        vec![
            self.event("response.output_item.added", json!({ "output_index": 0, "item": item })),
            self.part("response.content_part.added", json!({ "part": part })),
        ]
    }

    fn close(&mut self, status: &str) -> Vec<Value> {
        if !std::mem::take(&mut self.is_open) {
            return Vec::new();
        }
        let (text, part, item) = (self.text.clone(), self.output_text(), self.message(status));
        vec![
            self.part("response.output_text.done", json!({ "text": text, "logprobs": [] })),
            self.part("response.content_part.done", json!({ "part": part })),
            self.event("response.output_item.done", json!({ "output_index": 0, "item": item })),
        ]
    }

    /// An event about the text.
    fn part(&mut self, kind: &str, mut fields: Value) -> Value {
        fields["item_id"] = json!(self.head.message_id());
        fields["output_index"] = json!(0);
        fields["content_index"] = json!(0);
        self.event(kind, fields)
    }

    fn event(&mut self, kind: &str, mut fields: Value) -> Value {
        fields["type"] = json!(kind);
        fields["sequence_number"] = json!(self.next);
        self.next += 1;
        fields
    }
}
