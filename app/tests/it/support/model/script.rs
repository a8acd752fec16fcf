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
    pub(super) echoes: bool,
    pub(super) before: Duration,
    pub(super) between: Duration,
    pub(super) usage: Option<(u32, u32)>,
    pub(super) end: End,
    pub(super) finish: Option<&'static str>,
    pub(super) refuses: Option<&'static str>,
    pub(super) dimensions: Option<usize>,
    pub(super) content_type: &'static str,
    pub(super) obeys: bool,
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
            echoes: false,
            before: Duration::ZERO,
            between: Duration::ZERO,
            usage: None,
            end: End::Complete,
            finish: None,
            refuses: None,
            dimensions: None,
            content_type: "application/json",
            obeys: false,
        }
    }

    /// Says the last message back, word by word: each turn has words of its own.
    pub(crate) fn echo() -> Self {
        Self { echoes: true, ..Self::reply([""; 0]) }
    }

    /// With the words it says to this request.
    pub(super) fn answering(mut self, body: &Value) -> Self {
        if self.echoes {
            let last = body["messages"].as_array().and_then(|messages| messages.last());
            let said = last.and_then(|message| message["content"].as_str()).unwrap_or_default();
            self.chunks = said.split_inclusive(' ').map(ToOwned::to_owned).collect();
        }
        self
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

    /// Does what any text of its prompt orders by `OBEY[[tool {arguments}]]`, each
    /// order once, be it in a message, a result or the description of a tool.
    pub(crate) fn obeying() -> Self {
        Self { obeys: true, ..Self::reply([""; 0]) }
    }

    /// What an obeying model says to this request.
    pub(super) fn obeyed(body: &Value) -> Self {
        let messages = body["messages"].as_array().cloned().unwrap_or_default();
        let (mut texts, mut made) = (Vec::new(), Vec::new());
        for message in &messages {
            let text = message["content"].as_str().unwrap_or_default();
            match serde_json::from_str::<Value>(text) {
                // The envelope tells the arguments back: only what was found counts.
                Ok(envelope) if message["role"] == "tool" => strings(&envelope["data"], &mut texts),
                _ => texts.push(text.to_owned()),
            }
            for call in message["tool_calls"].as_array().into_iter().flatten() {
                let arguments = call["function"]["arguments"].as_str().unwrap_or_default();
                let arguments = serde_json::from_str::<Value>(arguments).unwrap_or_default();
                made.push((call["function"]["name"].as_str().unwrap_or_default().to_owned(), arguments));
            }
        }
        if body["tools"].is_array() {
            strings(&body["tools"], &mut texts);
        } else {
            texts.clear();
        }
        let ordered = texts.iter().flat_map(|text| text.split("OBEY[[").skip(1)).filter_map(|rest| {
            let (name, arguments) = rest.split("]]").next()?.split_once(' ')?;
            Some((name.to_owned(), serde_json::from_str::<Value>(arguments).ok()?))
        });
        let mut orders: Vec<(String, Value)> = Vec::new();
        for order in ordered {
            if !made.contains(&order) && !orders.contains(&order) {
                orders.push(order);
            }
        }
        if orders.is_empty() {
            return Self::reply(["Done."]);
        }
        Self::calls(orders.iter().map(|(name, arguments)| (name.as_str(), arguments.clone())))
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

    /// Gives this finish reason instead of the usual one.
    pub(crate) fn finishing(self, reason: &'static str) -> Self {
        Self { finish: Some(reason), ..self }
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

/// Every text in a value.
fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| strings(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| strings(field, found)),
        _ => {}
    }
}
