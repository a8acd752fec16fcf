//! Embedding on somebody's account.

use std::time::Duration;

use entity::ids::{SpaceId, UserId};
use tokio::time::Instant;

use super::call::count;
use super::price::cost;
use super::quota::Wants;
use super::record::{Spent, record};
use super::unstored::Unstored;
use crate::db::space::Active;
use crate::error::{CanFail, Error};
use crate::llm::{EmbedKind, Embedder, Embeddings, ModelError, SpaceSpec, Usage, estimate};
use crate::state::AppState;

/// The provider whose calls cost nothing and are not recorded.
const LOCAL: &str = "local";

/// A question and its vector, with the space it was made for.
#[derive(Clone, Debug)]
pub struct QueryVector {
    /// The question.
    pub text: String,
    /// The space.
    pub space: SpaceId,
    /// The vector.
    pub vector: Vec<f32>,
}

/// Vectors for the space beside the active one come within this, or later by
/// whoever fills it: nobody waits long for them.
const BESIDE_MAX: Duration = Duration::from_secs(5);

/// Embeds texts for a space and records what it took. The row is written beside the work
/// that follows, by a task the process waits for when it stops.
pub async fn embed(
    state: &AppState,
    embedder: &dyn Embedder,
    user: Option<UserId>,
    kind: EmbedKind,
    texts: Vec<String>,
) -> Result<Embeddings, ModelError> {
    if embedder.space().provider == LOCAL {
        return in_process(state, embedder, kind, texts).await;
    }
    let (answer, spent) = measured(state, embedder, kind, texts).await;
    let core = state.core.clone();
    state.tasks.spawn(async move {
        record(&core, user, None, spent).await.can_fail("an embedding is missing in the ledger");
    });
    answer
}

/// Embeds texts for a user who asked for just that: out of the user's quota,
/// reserved before and settled after, but no message of it.
pub async fn embed_on_quota(state: &AppState, user: UserId, texts: Vec<String>) -> Result<Embeddings, Error> {
    let embedder = state.embedder();
    let space = embedder.space();
    if space.provider == LOCAL {
        return Ok(in_process(state, embedder.as_ref(), EmbedKind::Passage, texts).await?);
    }
    let about = count(texts.iter().map(|text| estimate::tokens(text)).sum());
    let usage = Usage { prompt_tokens: about, total_tokens: about, ..Usage::default() };
    let cost = cost(&state.settings.prices, &space.model, &usage).unwrap_or_default();
    let wants = Wants { tokens: i64::from(about), cost };
    let mut account = Unstored::reserve_aside(state, user, wants).await?;
    let (answer, spent) = measured(state, embedder.as_ref(), EmbedKind::Passage, texts).await;
    account.settle_aside(spent).await;
    Ok(answer?)
}

/// Embeds texts with the model of this process, which costs nothing.
async fn in_process(
    state: &AppState,
    embedder: &dyn Embedder,
    kind: EmbedKind,
    texts: Vec<String>,
) -> Result<Embeddings, ModelError> {
    let answer = embedder.embed(kind, texts).await?;
    counted_in_metrics(state, embedder.space(), kind, answer.tokens);
    Ok(answer)
}

fn counted_in_metrics(state: &AppState, space: &SpaceSpec, kind: EmbedKind, tokens: u64) {
    state.metrics.embedded(&space.provider, &space.model, kind.as_str(), tokens);
}

/// Embeds texts with a provider's model, and says what that took.
async fn measured(
    state: &AppState,
    embedder: &dyn Embedder,
    kind: EmbedKind,
    texts: Vec<String>,
) -> (Result<Embeddings, ModelError>, Spent) {
    let space = embedder.space();
    let about = texts.iter().map(|text| estimate::tokens(text)).sum();
    let asked_at = Instant::now();
    let answer = embedder.embed(kind, texts).await;
    let counted = answer.as_ref().map_or(0, |embeddings| embeddings.tokens);
    let estimated = answer.is_ok() && counted == 0;
    let tokens = if estimated { count(about) } else { u32::try_from(counted).unwrap_or(u32::MAX) };
    counted_in_metrics(state, space, kind, u64::from(tokens));
    let usage = Usage { prompt_tokens: tokens, total_tokens: tokens, ..Usage::default() };
    let spent = Spent {
        kind: "embedding",
        provider: space.provider.clone(),
        model: space.model.clone(),
        cost: cost(&state.settings.prices, &space.model, &usage),
        usage,
        estimated,
        outcome: if answer.is_ok() { "complete" } else { "failed" },
        latency_ms: i32::try_from(asked_at.elapsed().as_millis()).unwrap_or(i32::MAX),
    };
    (answer, spent)
}

/// Embeds passages for the active space, and for the one beside it while there is one: empty
/// where that cannot be had right now.
pub async fn embed_passages(
    state: &AppState,
    active: &Active,
    user: Option<UserId>,
    texts: Vec<String>,
) -> Result<(Vec<Vec<f32>>, Vec<Vec<f32>>), ModelError> {
    let Some((_, beside)) = &active.beside else {
        let made = embed(state, active.space.embedder.as_ref(), user, EmbedKind::Passage, texts).await?;
        return Ok((made.vectors, Vec::new()));
    };
    let other = embed(state, beside.embedder.as_ref(), user, EmbedKind::Passage, texts.clone());
    let (made, other) = tokio::join!(
        embed(state, active.space.embedder.as_ref(), user, EmbedKind::Passage, texts),
        tokio::time::timeout(BESIDE_MAX, other),
    );
    let vectors = made?.vectors;
    let other = match other {
        Ok(Ok(other)) if other.vectors.len() == vectors.len() => other.vectors,
        Ok(Err(error)) => {
            tracing::warn!(%error, "no vectors for the space beside the active one; it is filled later");
            Vec::new()
        }
        _ => Vec::new(),
    };
    Ok((vectors, other))
}

/// Embeds one question, for the space that is active as far as is known.
pub async fn embed_query(state: &AppState, user: UserId, text: &str) -> Result<QueryVector, Error> {
    let active = state.spaces.active().await?;
    embed_query_in(state, &active, user, text).await
}

/// Embeds one question for a space.
pub async fn embed_query_in(
    state: &AppState,
    active: &Active,
    user: UserId,
    text: &str,
) -> Result<QueryVector, Error> {
    let embedder = active.space.embedder.as_ref();
    let mut made = embed(state, embedder, Some(user), EmbedKind::Query, vec![text.to_owned()]).await?;
    let nothing = ModelError::Malformed { detail: "no vector for the one text".to_owned() };
    let vector = made.vectors.pop().ok_or(nothing)?;
    Ok(QueryVector { text: text.to_owned(), space: active.space.id, vector })
}

/// Whose texts these are, if they are of one user.
pub fn common(owners: impl IntoIterator<Item = Option<UserId>>) -> Option<UserId> {
    let mut owners = owners.into_iter();
    let first = owners.next()??;
    owners.all(|owner| owner == Some(first)).then_some(first)
}
