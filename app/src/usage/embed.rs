//! Embedding on somebody's account.

use entity::ids::UserId;
use tokio::time::Instant;

use super::call::count;
use super::price::cost;
use super::quota::Wants;
use super::record::{Spent, record};
use super::unstored::Unstored;
use crate::error::{CanFail, Error};
use crate::llm::{EmbedKind, Embeddings, ModelError, Usage, estimate};
use crate::state::AppState;

/// The provider whose calls cost nothing and are not recorded.
const LOCAL: &str = "local";

/// Embeds texts and records what it took. The row is written beside the work
/// that follows, by a task the process waits for when it stops.
pub async fn embed(
    state: &AppState,
    user: Option<UserId>,
    kind: EmbedKind,
    texts: Vec<String>,
) -> Result<Embeddings, ModelError> {
    let embedder = &state.models.embedder;
    let space = embedder.space();
    if space.provider == LOCAL {
        return in_process(state, kind, texts).await;
    }
    let (answer, spent) = measured(state, kind, texts).await;
    let core = state.core.clone();
    state.tasks.spawn(async move {
        record(&core, user, None, spent).await.can_fail("an embedding is missing in the ledger");
    });
    answer
}

/// Embeds texts for a user who asked for just that: out of the user's quota,
/// reserved before and settled after, but no message of it.
pub async fn embed_on_quota(state: &AppState, user: UserId, texts: Vec<String>) -> Result<Embeddings, Error> {
    let embedder = &state.models.embedder;
    let space = embedder.space();
    if space.provider == LOCAL {
        return Ok(in_process(state, EmbedKind::Passage, texts).await?);
    }
    let about = count(texts.iter().map(|text| estimate::tokens(text)).sum());
    let usage = Usage { prompt_tokens: about, total_tokens: about, ..Usage::default() };
    let cost = cost(&state.settings.prices, &space.model, &usage).unwrap_or_default();
    let wants = Wants { tokens: i64::from(about), cost };
    let mut account = Unstored::reserve_aside(state, user, wants).await?;
    let (answer, spent) = measured(state, EmbedKind::Passage, texts).await;
    account.settle_aside(spent).await;
    Ok(answer?)
}

/// Embeds texts with the model of this process, which costs nothing.
async fn in_process(state: &AppState, kind: EmbedKind, texts: Vec<String>) -> Result<Embeddings, ModelError> {
    let answer = state.models.embedder.embed(kind, texts).await?;
    counted_in_metrics(state, kind, answer.tokens);
    Ok(answer)
}

fn counted_in_metrics(state: &AppState, kind: EmbedKind, tokens: u64) {
    let space = state.models.embedder.space();
    state.metrics.embedded(&space.provider, &space.model, kind.as_str(), tokens);
}

/// Embeds texts with a provider's model, and says what that took.
async fn measured(
    state: &AppState,
    kind: EmbedKind,
    texts: Vec<String>,
) -> (Result<Embeddings, ModelError>, Spent) {
    let embedder = &state.models.embedder;
    let space = embedder.space();
    let about = texts.iter().map(|text| estimate::tokens(text)).sum();
    let asked_at = Instant::now();
    let answer = embedder.embed(kind, texts).await;
    let counted = answer.as_ref().map_or(0, |embeddings| embeddings.tokens);
    let estimated = answer.is_ok() && counted == 0;
    let tokens = if estimated { count(about) } else { u32::try_from(counted).unwrap_or(u32::MAX) };
    counted_in_metrics(state, kind, u64::from(tokens));
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

/// Embeds one question.
pub async fn embed_query(state: &AppState, user: UserId, text: &str) -> Result<Vec<f32>, ModelError> {
    let mut embeddings = embed(state, Some(user), EmbedKind::Query, vec![text.to_owned()]).await?;
    embeddings.vectors.pop().ok_or(ModelError::Malformed { detail: "no vector for the one text".to_owned() })
}

/// Whose texts these are, if they are of one user.
pub fn common(owners: impl IntoIterator<Item = Option<UserId>>) -> Option<UserId> {
    let mut owners = owners.into_iter();
    let first = owners.next()??;
    owners.all(|owner| owner == Some(first)).then_some(first)
}
