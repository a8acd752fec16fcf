//! What the scripted server can be told to do.

use std::time::Duration;

use serde_json::{Value, json};

/// What the server does with one request.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(super) status: u16,
    pub(super) retry_after_s: Option<u64>,
    pub(super) body: Option<String>,
    pub(super) chunks: Vec<String>,
    pub(super) calls: Vec<Value>,
    pub(super) before: Duration,
    pub(super) between: Duration,
    pub(super) usage: Option<(u32, u32)>,
    pub(super) end: End,
    pub(super) refuses: Option<&'static str>,
    pub(super) dimensions: Option<usize>,
    pub(super) content_type: &'static str,
}

/// How a streamed answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// A finish reason, the usage if any, `[DONE]`.
    Complete,
    /// A finish reason, and then the connection is closed without `[DONE]`.
    WithoutMark,
    /// `[DONE]` without a finish reason.
    WithoutReason,
    /// The connection is closed in the middle.
    Cut,
    /// An event that is not JSON.
    Garbage,
    /// An error object inside the stream.
    Error,
    /// Nothing more, and the connection stays open.
    Hang,
    /// Events without a word, for ever.
    Endless,
    /// A complete end with this usage, whatever it is.
    Usage(&'static str),
}

impl Script {
    /// Streams these chunks (or, when no stream is asked for, their sum).
    pub(crate) fn reply<S: Into<String>>(chunks: impl IntoIterator<Item = S>) -> Self {
        Self {
            status: 200,
            retry_after_s: None,
            body: None,
            chunks: chunks.into_iter().map(Into::into).collect(),
            calls: Vec::new(),
            before: Duration::ZERO,
            between: Duration::ZERO,
            usage: None,
            end: End::Complete,
            refuses: None,
            dimensions: None,
            content_type: "application/json",
        }
    }

    /// Calls tools: each a name and arguments, sent as OpenAI does, id and name
    /// first and the arguments in pieces.
    pub(crate) fn calls<'a>(calls: impl IntoIterator<Item = (&'a str, Value)>) -> Self {
        let mut deltas = Vec::new();
        for (index, (name, arguments)) in calls.into_iter().enumerate() {
            let id = format!("call_{index}_{}", uuid::Uuid::now_v7().simple());
            let function = json!({ "name": name, "arguments": "" });
            deltas.push(json!([{ "index": index, "id": id, "type": "function", "function": function }]));
            let text: Vec<char> = arguments.to_string().chars().collect();
            for piece in text.chunks(7) {
                let piece: String = piece.iter().collect();
                deltas.push(json!([{ "index": index, "function": { "arguments": piece } }]));
            }
        }
        Self::deltas(deltas)
    }

    /// Sends these values as the `tool_calls` of one delta each.
    pub(crate) fn deltas(calls: Vec<Value>) -> Self {
        Self { calls, ..Self::reply([""; 0]) }
    }

    /// Says this before it calls tools.
    pub(crate) fn saying(self, words: &str) -> Self {
        Self { chunks: vec![words.to_owned()], ..self }
    }

    /// Refuses with a status and an OpenAI error object.
    pub(crate) fn status(status: u16) -> Self {
        let error = json!({"error": {"message": format!("scripted {status}"), "type": "scripted"}});
        Self::raw(status, error.to_string())
    }

    /// Answers with this body.
    pub(crate) fn raw(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: Some(body.into()), ..Self::reply([""; 0]) }
    }

    /// What the body given to `raw` says it is.
    pub(crate) fn content_type(self, content_type: &'static str) -> Self {
        Self { content_type, ..self }
    }

    /// Takes the request and never answers.
    pub(crate) fn hang() -> Self {
        Self::reply([""; 0]).first_after(Duration::from_hours(1))
    }

    /// Sends Retry-After.
    pub(crate) fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Waits before it answers at all.
    pub(crate) fn first_after(self, before: Duration) -> Self {
        Self { before, ..self }
    }

    /// Waits before each chunk but the first.
    pub(crate) fn every(self, between: Duration) -> Self {
        Self { between, ..self }
    }

    /// Sends a usage count (prompt, completion), if the request asks for one.
    pub(crate) fn usage(self, prompt: u32, completion: u32) -> Self {
        Self { usage: Some((prompt, completion)), ..self }
    }

    /// Ends otherwise than complete.
    pub(crate) fn end(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Answers 400 to a body with this field, and as scripted to any other.
    pub(crate) fn refuses(self, field: &'static str) -> Self {
        Self { refuses: Some(field), ..self }
    }

    /// Makes vectors of this length, whatever is asked for.
    pub(crate) fn dimensions(self, dimensions: usize) -> Self {
        Self { dimensions: Some(dimensions), ..self }
    }
}
