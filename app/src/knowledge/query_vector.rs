//! What a search is near to, as a vector.

use entity::ids::UserId;
use serde::Serialize;
use utoipa::ToSchema;

use super::search::SearchRequest;
use crate::db::space::Active;
use crate::error::{Error, Result};
use crate::llm::SpaceSpec;
use crate::state::AppState;

/// An embedding space.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SpaceInfo {
    /// `local` or `openai`.
    pub provider: String,
    /// Model name.
    pub model: String,
    /// Length of a vector.
    pub dimensions: u32,
}

impl SpaceInfo {
    /// What is said of a space.
    pub(super) fn of(space: &SpaceSpec) -> Self {
        Self { provider: space.provider.clone(), model: space.model.clone(), dimensions: space.dimensions }
    }
}

/// The vector a request asks for, in a space.
pub(super) async fn query_vector(
    state: &AppState,
    active: &Active,
    user: UserId,
    request: &SearchRequest,
) -> Result<Vec<f32>> {
    let dimensions = active.space.embedder.space().dimensions;
    match (&request.query, &request.embedding) {
        (Some(query), None) => {
            unit(dimensions, crate::usage::embed_query_in(state, active, user, query).await?.vector)
        }
        (None, Some(embedding)) => unit(dimensions, embedding.clone()),
        (None, None) => Err(Error::field("query", "give either query or embedding")),
        (Some(_), Some(_)) => Err(Error::field("embedding", "give either query or embedding, not both")),
    }
}

/// Checks a vector and scales it to length 1, which keeps every cosine and
/// keeps the squares of large numbers from overflowing in the database.
pub(super) fn unit(dimensions: u32, vector: Vec<f32>) -> Result<Vec<f32>> {
    if u32::try_from(vector.len()).ok() != Some(dimensions) {
        let given = vector.len();
        return Err(Error::field(
            "embedding",
            format!("has {given} numbers, the active space has {dimensions}"),
        ));
    }
    if !vector.iter().all(|number| number.is_finite()) {
        return Err(Error::field("embedding", "must hold finite numbers only"));
    }
    let length = vector.iter().map(|&number| f64::from(number).powi(2)).sum::<f64>().sqrt();
    if length == 0.0 {
        return Err(Error::field("embedding", "must not be all zeros: it points nowhere"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a quotient of at most 1")]
    let scaled = vector.into_iter().map(|number| (f64::from(number) / length) as f32).collect();
    Ok(scaled)
}
