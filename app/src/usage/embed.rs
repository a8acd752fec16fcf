//! Embedding on somebody's account.

use entity::ids::UserId;
use tokio::time::Instant;

use super::call::count;
use super::price::cost;
use super::record::{Spent, record};
use crate::error::CanFail;
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
        return embedder.embed(kind, texts).await;
    }
    let about = texts.iter().map(|text| estimate::tokens(text)).sum();
    let asked_at = Instant::now();
    let answer = embedder.embed(kind, texts).await;
    let counted = answer.as_ref().map_or(0, |embeddings| embeddings.tokens);
    let estimated = answer.is_ok() && counted == 0;
    let tokens = if estimated { count(about) } else { u32::try_from(counted).unwrap_or(u32::MAX) };
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
    let core = state.core.clone();
    state.tasks.spawn(async move {
        record(&core, user, None, spent).await.can_fail("an embedding is missing in the ledger");
    });
    answer
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
