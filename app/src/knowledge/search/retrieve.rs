//! Searching for an answer.

use super::result::Passage;
use super::{ByWords, Search, SearchRequest};
use crate::auth::Audience;
use crate::error::Result;
use crate::state::AppState;
use crate::usage::{QueryVector, embed_query};

/// Looks the words of a question up that [`retrieve`] is for; while its vector is made.
pub async fn look_up(state: &AppState, audience: &Audience, query: &str, limit: u64) -> Result<ByWords> {
    let request = wanted(limit);
    Search { state, audience, request: &request }.look_up(query, 0).await
}

/// The passages for an answer, best first. Nothing is left out for being too far
/// away; that is for the caller to judge. A question whose vector is of a space
/// that is no longer active is embedded again.
pub async fn retrieve(
    state: &AppState,
    audience: &Audience,
    question: &QueryVector,
    mut words: ByWords,
    limit: u64,
) -> Result<Vec<Passage>> {
    let request = wanted(limit);
    let search = Search { state, audience, request: &request };
    let QueryVector { text, space, vector } = question;
    let found = match search.by_both(text, *space, vector.clone(), &mut words).await {
        Err(error) if state.spaces.moved(&error).await? => {
            let again = embed_query(state, audience.user(), text).await?;
            search.by_both(text, again.space, again.vector, &mut words).await?
        }
        outcome => outcome?,
    };
    Ok(found.hits.into_iter().map(Passage::from).collect())
}

fn wanted(limit: u64) -> SearchRequest {
    SearchRequest { limit, ..SearchRequest::default() }
}
