//! What a client gets: one body, or pieces of it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::chat;
use crate::error::Result;
use crate::llm::{Cut, ToolCall, Usage};
use crate::openai::{cite, numbers};

/// What stands in every piece of an answer.
#[derive(Clone, Debug)]
pub(super) struct Head {
    id: String,
    created: i64,
    model: String,
}

/// An answer so far.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) citations: Vec<Value>,
    pub(super) usage: Option<Usage>,
    pub(super) cut: Option<Cut>,
    pub(super) calls: Vec<ToolCall>,
}

impl Answer {
    /// A model that says nothing has failed.
    pub(super) fn is_one(&self) -> Result<()> {
        if self.cut.is_some() || !self.calls.is_empty() { Ok(()) } else { chat::has_words(&self.text) }
    }

    /// Why it ends, as clients are told.
    pub(super) fn finish(&self) -> &'static str {
        match self.cut {
            Some(cut) => cut.name(),
            None if self.calls.is_empty() => "stop",
            None => "tool_calls",
        }
    }
}

/// A call of a tool of the client's.
pub(super) fn called(call: &ToolCall) -> Value {
    let function = json!({ "name": call.name, "arguments": call.arguments });
    json!({ "id": call.id, "type": "function", "function": function })
}

impl Head {
    /// An answer that begins now, as its id says.
    pub(super) fn new(id: Uuid, model: String) -> Self {
        Self { id: format!("chatcmpl-{}", id.simple()), created: numbers::created(id), model }
    }

    /// The whole answer.
    pub(super) fn whole(&self, answer: &Answer) -> Value {
        let annotations: Vec<Value> = answer
            .citations
            .iter()
            .enumerate()
            .map(|(place, citation)| cite::nested(place, citation))
            .collect();
        let mut message = json!({
            "role": "assistant", "content": answer.text, "refusal": null, "annotations": annotations,
        });
        if !answer.calls.is_empty() {
            message["tool_calls"] = answer.calls.iter().map(called).collect();
            if answer.text.is_empty() {
                message["content"] = Value::Null;
            }
        }
        let choice = json!({
            "index": 0, "message": message, "logprobs": null, "finish_reason": answer.finish(),
        });
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
            "usage": numbers::completion_usage(answer.usage),
        })
    }

    /// A piece with this delta.
    pub(super) fn piece(&self, delta: &Value, finish: Option<&str>) -> Value {
        self.chunk(&json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]))
    }

    /// The last piece, which has no choices.
    pub(super) fn usage(&self, usage: Option<Usage>) -> Value {
        let mut chunk = self.chunk(&json!([]));
        chunk["usage"] = numbers::completion_usage(usage);
        chunk
    }

    fn chunk(&self, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}
