//! Where the answer's words come from: a language model, or the passages themselves.

use futures::StreamExt;
use futures::stream;

use super::retrieve::Retrieved;
use super::routing::{self, Started};
use crate::error::{Error, Result};
use crate::llm::extractive::{self, Figure, Recollection};
use crate::llm::{ChatDelta, ChatRequest, ModelError, Usage};
use crate::state::AppState;

/// Longest answer, in bytes; a model that runs on is stopped there.
pub(super) const ANSWER_BYTES_MAX: usize = 200_000;

/// The name under which extractive answers are stored.
const EXTRACTIVE: &str = "extractive";

/// Words a streamed piece of an extractive answer has.
const WORDS_PER_PIECE: usize = 6;

/// How an answer is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A language model writes it.
    Model,
    /// It is made of quotes.
    Extractive,
}

impl Mode {
    pub(super) fn of(state: &AppState) -> Self {
        if state.models.chat.is_some() { Self::Model } else { Self::Extractive }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Extractive => EXTRACTIVE,
        }
    }
}

/// The model that answers where this one was chosen, or none.
pub fn model_name(state: &AppState, chosen: Option<String>) -> String {
    let configured = state.models.chat.as_ref().map(|chat| chat.model().to_owned());
    configured.map_or_else(|| EXTRACTIVE.to_owned(), |configured| chosen.unwrap_or(configured))
}

/// Starts the answer. `remembered` is what this very turn was asked to remember.
pub(super) async fn start(
    state: &AppState,
    request: ChatRequest,
    question: &str,
    retrieved: &Retrieved,
    remembered: Option<&str>,
) -> Result<Started, ModelError> {
    if let Some(chat) = &state.models.chat {
        let fallback = state.settings.models.chat_fallback_model.as_deref();
        return routing::ask(chat.as_ref(), request, fallback).await;
    }
    let text = match remembered {
        Some(fact) => format!("I will remember this: {fact}"),
        None => quoted(state, question, retrieved),
    };
    Ok(Started { stream: pieces(&text).boxed(), switched: None })
}

/// A model that says nothing has failed: an empty answer would stand in the
/// conversation, and in the next prompt, as if it had been given.
pub fn has_words(text: &str) -> Result<()> {
    if text.trim().is_empty() {
        let detail = "the model provider's answer is empty".to_owned();
        return Err(Error::Upstream { code: "provider_empty_answer", detail });
    }
    Ok(())
}

fn quoted(state: &AppState, question: &str, retrieved: &Retrieved) -> String {
    let passages: Vec<extractive::Passage<'_>> = retrieved
        .passages
        .iter()
        .map(|passage| extractive::Passage {
            text: &passage.content,
            similarity: single(passage.similarity),
            words: single(passage.words),
        })
        .collect();
    let memories: Vec<Recollection<'_>> = retrieved
        .memories
        .iter()
        .map(|memory| Recollection { text: &memory.content, similarity: single(memory.similarity) })
        .collect();
    let figures: Vec<Figure<'_>> = retrieved
        .numbered_figures()
        .flat_map(|(number, told)| told.sentences.iter().map(move |text| Figure { text, number }))
        .collect();
    extractive::answer(question, &passages, &memories, &figures, state.similarity_floor()).text
}

/// In single precision, as the floor is.
#[expect(clippy::cast_possible_truncation, reason = "lies between -1 and 1")]
fn single(similarity: f64) -> f32 {
    similarity as f32
}

/// The text in pieces, then a usage of nothing: no model read a token.
fn pieces(text: &str) -> impl futures::Stream<Item = Result<ChatDelta, ModelError>> + use<> {
    let words: Vec<&str> = text.split_inclusive(' ').collect();
    let mut deltas: Vec<_> =
        words.chunks(WORDS_PER_PIECE).map(|piece| Ok(ChatDelta::Text(piece.concat()))).collect();
    deltas.push(Ok(ChatDelta::Usage(Usage::default())));
    stream::iter(deltas)
}
