//! A response that is not kept: told as it comes, and gone.

use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt, stream};
use serde_json::{Value, json};

use super::follow::named;
use super::object::{Head, Stage};
use super::telling::{End, Telling};
use crate::chat::{self, Answering, Piece};
use crate::error::{Error, Result};
use crate::llm::Usage;
use crate::openai::{numbers, sse};
use crate::state::AppState;
use crate::web::Json;

/// Answers as events, or whole.
pub(super) async fn respond(
    state: &AppState,
    head: Head,
    mut answering: Answering,
    is_streamed: bool,
) -> Result<Response> {
    let mut told = Told { telling: Telling::new(head), usage: None, has_words: false, has_failed: false };
    if is_streamed {
        return Ok(sse::respond(state, told.events(answering).map(|event| named(&event))));
    }
    while let Some(piece) = answering.next().await {
        told.take(piece?);
    }
    told.is_one()?;
    let ended = told.end(None);
    let response = ended.into_iter().last().map_or(Value::Null, |mut event| event["response"].take());
    Ok(Json(response).into_response())
}

struct Told {
    telling: Telling,
    usage: Option<Usage>,
    has_words: bool,
    has_failed: bool,
}

impl Told {
    fn events(mut self, answering: Answering) -> impl Stream<Item = Value> {
        let first = self.telling.begin();
        let rest = answering.map(Some).chain(stream::iter([None])).map(move |piece| {
            stream::iter(match piece {
                _ if self.has_failed => Vec::new(),
                Some(Ok(piece)) => self.take(piece),
                Some(Err(error)) => self.end(Some(&error)),
                None => {
                    let ended = self.is_one();
                    self.end(ended.err().as_ref())
                }
            })
        });
        stream::iter(first).chain(rest.flatten())
    }

    fn take(&mut self, piece: Piece) -> Vec<Value> {
        match piece {
            Piece::Text(text) => {
                self.has_words |= !text.trim().is_empty();
                self.telling.text(&text)
            }
            Piece::Citation(citation) => self.telling.cite(&json!(citation)),
            Piece::Usage(usage) => {
                self.usage = Some(usage);
                Vec::new()
            }
            Piece::Cut(cut) => {
                self.has_words = true;
                self.telling.cut(cut.name());
                Vec::new()
            }
            Piece::Calls(calls) => {
                self.has_words = true;
                let calls = calls.into_iter().flat_map(|call| {
                    self.telling
                        .call(&json!({ "id": call.id, "name": call.name, "arguments": call.arguments }))
                });
                calls.collect()
            }
        }
    }

    /// A model that says nothing has failed.
    fn is_one(&self) -> Result<()> {
        if self.has_words { Ok(()) } else { chat::has_words("") }
    }

    fn end(&mut self, error: Option<&Error>) -> Vec<Value> {
        self.has_failed = error.is_some();
        if let Some(error) = error {
            tracing::warn!(%error, "a response failed");
        }
        let stage = if error.is_some() { Stage::Failed } else { self.telling.stage() };
        let error = error.map(|error| (error.code().to_owned(), error.public_detail()));
        self.telling.end(End { stage, usage: numbers::response_usage(self.usage), error })
    }
}
