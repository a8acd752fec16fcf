//! What the answer may rest on: passages and memories, by a deadline.

use entity::ids::UserId;
use serde_json::{Value, json};
use tokio_util::task::AbortOnDropHandle;

use super::events::TurnLog;
use super::figures::Figures;
use crate::auth::CurrentUser;
use crate::error::{Context, Error, Result};
use crate::knowledge::{ByWords, Passage};
use crate::memory::Recollection;
use crate::persona::Pair;
use crate::state::AppState;
use crate::usage::QueryVector;

/// What was found in time.
#[derive(Clone, Debug, Default)]
pub(super) struct Retrieved {
    /// Numbered in the prompt from 1.
    pub(super) passages: Vec<Passage>,
    /// What the user told earlier.
    pub(super) memories: Vec<Recollection>,
    /// The user's portfolios.
    pub(super) figures: Vec<Figures>,
    /// Why something is missing, for an `info` event.
    pub(super) missing: Option<&'static str>,
}

impl Retrieved {
    /// Nothing was found.
    pub(super) fn is_empty(&self) -> bool {
        self.passages.is_empty() && self.memories.is_empty()
    }

    /// The figures with the numbers by which they are cited: behind the passages.
    pub(super) fn numbered_figures(&self) -> impl Iterator<Item = (usize, &Figures)> {
        (self.passages.len() + 1..).zip(&self.figures)
    }

    /// Says what the answer rests on, for which pair, and what is missing.
    /// `prompt_tokens` is about what the model is asked with, if one is: should this
    /// process die, the ledger knows it from here.
    pub(super) fn announce(&self, log: &mut TurnLog, pair: Pair, prompt_tokens: Option<u32>) {
        let documents: Vec<Value> = self
            .passages
            .iter()
            .zip(1..)
            .map(|(passage, index)| {
                json!({
                    "index": index,
                    "document_id": passage.document_id,
                    "source_id": passage.source_id,
                    "title": passage.title,
                    "page": passage.page,
                    "similarity": passage.similarity,
                })
            })
            .collect();
        let memories: Vec<Value> = self
            .memories
            .iter()
            .map(|memory| json!({ "id": memory.id, "content": memory.content, "similarity": memory.similarity }))
            .collect();
        let mut context = json!({ "documents": documents, "memories": memories });
        if !self.figures.is_empty() {
            context["portfolios"] =
                self.numbered_figures().map(|(number, told)| told.shown(number)).collect();
        }
        if let Some(id) = pair.character_id {
            context["character_id"] = json!(id);
        }
        if let Some(id) = pair.persona_id {
            context["persona_id"] = json!(id);
        }
        if let Some(tokens) = prompt_tokens {
            context["prompt_tokens"] = json!(tokens);
        }
        log.event("context", context);
        if let Some(code) = self.missing {
            log.event("info", json!({ "code": code }));
        }
    }
}

/// A question on its way to being a vector.
/// Dropped, it is called off.
#[derive(Debug)]
pub(super) struct Asked {
    words: String,
    vector: AbortOnDropHandle<Result<QueryVector>>,
}

/// How much an answer may rest on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    passages: u64,
    memories: u64,
}

impl Wanted {
    /// As configured.
    pub(super) fn of(state: &AppState) -> Self {
        let settings = &state.settings.chat;
        Self { passages: settings.retrieved_passages, memories: settings.retrieved_memories }
    }

    /// Without what is not allowed.
    pub(super) fn only(self, passages: bool, memories: bool) -> Self {
        Self {
            passages: if passages { self.passages } else { 0 },
            memories: if memories { self.memories } else { 0 },
        }
    }
}

/// Embeds the question while the turn is still being stored. Only the user's
/// own words are embedded, never the prompt around them.
pub(super) fn ask(state: &AppState, user: UserId, question: &str, wanted: Wanted) -> Option<Asked> {
    if wanted.passages == 0 && wanted.memories == 0 {
        return None;
    }
    let (owned, words) = (state.clone(), question.to_owned());
    let embed = async move { crate::usage::embed_query(&owned, user, &words).await };
    let vector = AbortOnDropHandle::new(state.tasks.spawn(embed));
    Some(Asked { words: question.to_owned(), vector })
}

/// Searches knowledge and memories at once. Never fails: an answer without
/// them is better than none, as long as it says so.
pub(super) async fn retrieve(
    state: &AppState,
    user: &CurrentUser,
    pair: Pair,
    asked: Option<Asked>,
    wanted: Wanted,
) -> Retrieved {
    let Some(asked) = asked else { return Retrieved::default() };
    let deadline = state.settings.chat.retrieval_deadline();
    match tokio::time::timeout(deadline, search(state, user, pair, asked, wanted)).await {
        Ok(Ok(retrieved)) => retrieved,
        Ok(Err(error)) => {
            tracing::warn!(%error, "answering without retrieval");
            Retrieved { missing: Some("retrieval_unavailable"), ..Default::default() }
        }
        Err(_) => {
            tracing::warn!("answering without retrieval: the deadline passed");
            Retrieved { missing: Some("retrieval_timeout"), ..Default::default() }
        }
    }
}

async fn search(
    state: &AppState,
    user: &CurrentUser,
    pair: Pair,
    asked: Asked,
    wanted: Wanted,
) -> Result<Retrieved> {
    let audience = user.audience();
    let Asked { words, vector } = asked;
    // Words need no vector: they are looked up while it is made.
    let looked_up = async {
        state.outbox.settle(user.id).await?;
        Ok::<_, Error>(match wanted.passages {
            0 => None,
            limit => Some(crate::knowledge::look_up(state, &audience, &words, limit).await),
        })
    };
    let (vector, looked_up) = tokio::join!(vector, looked_up);
    let vector = vector.context("embedding the question")??;
    let (passages, memories) = tokio::join!(
        knowledge(state, &audience, &vector, looked_up?, wanted.passages),
        recall(state, &audience, pair, &vector, wanted.memories),
    );
    let missing = (passages.is_err() || memories.is_err()).then_some("retrieval_unavailable");
    for error in [passages.as_ref().err(), memories.as_ref().err()].into_iter().flatten() {
        tracing::warn!(%error, "part of the retrieval failed");
    }
    Ok(Retrieved {
        passages: passages.unwrap_or_default(),
        memories: memories.unwrap_or_default(),
        missing,
        ..Default::default()
    })
}

async fn knowledge(
    state: &AppState,
    audience: &crate::auth::Audience,
    question: &QueryVector,
    words: Option<Result<ByWords>>,
    limit: u64,
) -> Result<Vec<Passage>> {
    match words {
        Some(words) => {
            let mut passages = crate::knowledge::retrieve(state, audience, question, words?, limit).await?;
            let expanded = usize::try_from(state.settings.chat.expanded_passages).unwrap_or(usize::MAX);
            crate::knowledge::expand(state, audience, &mut passages, expanded).await?;
            Ok(passages)
        }
        None => Ok(Vec::new()),
    }
}

async fn recall(
    state: &AppState,
    audience: &crate::auth::Audience,
    pair: Pair,
    vector: &QueryVector,
    limit: u64,
) -> Result<Vec<Recollection>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    crate::memory::recall(state, audience, pair, vector, limit).await
}
