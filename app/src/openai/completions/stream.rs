//! The answer in pieces.

use axum::response::Response;
use axum::response::sse::Event;
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use super::response::{Answer, Head, called};
use crate::chat::{Answering, Piece};
use crate::error::{Error, Result};
use crate::llm::ToolCall;
use crate::openai::{cite, sse};
use crate::state::AppState;

pub(super) fn respond(state: &AppState, head: Head, answering: Answering, includes_usage: bool) -> Response {
    let pieces = Pieces { head, answer: Answer::default(), has_failed: false, includes_usage };
    sse::respond(state, pieces.events(answering).map(|data| Event::default().data(data)))
}

/// What was sent so far.
struct Pieces {
    head: Head,
    answer: Answer,
    has_failed: bool,
    includes_usage: bool,
}

impl Pieces {
    /// The pieces as a client reads them, `[DONE]` last.
    fn events(mut self, answering: Answering) -> impl Stream<Item = String> {
        let first = self.head.piece(&json!({ "role": "assistant", "content": "" }), None).to_string();
        let pieces = answering.map(Some).chain(stream::iter([None])).map(move |piece| {
            stream::iter(match piece {
                _ if self.has_failed => Vec::new(),
                Some(Ok(piece)) => self.take(piece),
                Some(Err(error)) => self.fail(&error),
                None => self.end(),
            })
        });
        stream::iter([first]).chain(pieces.flatten())
    }

    fn take(&mut self, piece: Piece) -> Vec<String> {
        let delta = match piece {
            Piece::Text(text) => {
                self.answer.text.push_str(&text);
                json!({ "content": text })
            }
            Piece::Citation(citation) => {
                let annotation = cite::nested(self.answer.citations.len(), &json!(citation));
                self.answer.citations.push(Value::Null);
                json!({ "annotations": [annotation] })
            }
            Piece::Usage(usage) => {
                self.answer.usage = Some(usage);
                return Vec::new();
            }
            Piece::Cut(cut) => {
                self.answer.cut = Some(cut);
                return Vec::new();
            }
            Piece::Calls(calls) => return self.call(calls),
        };
        vec![self.head.piece(&delta, None).to_string()]
    }

    /// A call in two pieces, as clients put them together: what it is, then its arguments.
    fn call(&mut self, calls: Vec<ToolCall>) -> Vec<String> {
        let pieces = calls.iter().enumerate().flat_map(|(index, call)| {
            let mut begun = called(&ToolCall { arguments: String::new(), ..call.clone() });
            begun["index"] = json!(index);
            let rest = json!({ "index": index, "function": { "arguments": call.arguments } });
            [begun, rest].map(|piece| self.head.piece(&json!({ "tool_calls": [piece] }), None).to_string())
        });
        let pieces = pieces.collect();
        self.answer.calls = calls;
        pieces
    }

    fn fail(&mut self, error: &Error) -> Vec<String> {
        self.has_failed = true;
        tracing::warn!(%error, "an answer in OpenAI's form failed");
        let error = json!({
            "message": error.public_detail(), "type": "server_error", "param": null, "code": error.code(),
        });
        vec![json!({ "error": error }).to_string()]
    }

    fn end(&mut self) -> Vec<String> {
        let ended: Result<()> = self.answer.is_one();
        if let Err(error) = ended {
            return self.fail(&error);
        }
        let mut last = vec![self.head.piece(&json!({}), Some(self.answer.finish())).to_string()];
        if self.includes_usage {
            last.push(self.head.usage(self.answer.usage).to_string());
        }
        last.push("[DONE]".to_owned());
        last
    }
}
