//! What an answer may rest on.

use entity::ids::MemoryId;

use super::queries::{self, Like};
use super::search::{Bound, Search, search};
use crate::auth::{Audience, CurrentUser, Ownership};
use crate::error::Result;
use crate::persona::Pair;
use crate::state::AppState;
use crate::usage::{QueryVector, embed_query};

/// A memory for a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Recollection {
    /// Key.
    pub id: MemoryId,
    /// What the user said.
    pub content: String,
    /// Cosine similarity with the question, -1 to 1.
    pub similarity: f64,
}

/// At most `limit` memories that speak of the question, nearest first; zero
/// turns recall off. A question of another space than the active one is embedded again. Memories below the similarity floor stay out, and so do
/// those of another persona or character than the conversation's.
pub async fn recall(
    state: &AppState,
    audience: &Audience,
    pair: Pair,
    question: &QueryVector,
    limit: u64,
) -> Result<Vec<Recollection>> {
    if limit == 0 {
        return Ok(Vec::new());
    }
    let wanted = |question: &QueryVector| {
        let (space, vector) = (question.space, question.vector.clone());
        Search { space, vector, limit, scopes: None, bound: Bound::Seen(pair) }
    };
    let found = match search(state, audience, wanted(question)).await {
        Err(error) if state.spaces.moved(&error).await? => {
            let again = embed_query(state, audience.user(), &question.text).await?;
            search(state, audience, wanted(&again)).await?
        }
        outcome => outcome?,
    };
    let floor = f64::from(state.similarity_floor());
    Ok(found
        .neighbours
        .into_iter()
        .filter(|hit| hit.similarity() >= floor)
        .map(|hit| Recollection { similarity: hit.similarity(), id: hit.row.id, content: hit.row.content })
        .collect())
}

/// The user's own memories among these that a conversation of the pair sees,
/// with their words.
pub async fn find_own(
    state: &AppState,
    user: &CurrentUser,
    pair: Pair,
    ids: Vec<MemoryId>,
) -> Result<Vec<(MemoryId, String)>> {
    let own = vec![Ownership::of(user).audience()];
    let rows = queries::find_like(&state.ai, own, Like { ids, ..Like::default() }).await?;
    let seen = rows.into_iter().filter(|row| pair.sees(Pair::named(row.character_id, row.persona_id)));
    Ok(seen.map(|row| (row.id, row.content)).collect())
}
