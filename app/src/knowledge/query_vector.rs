//! What a search is near to, as a vector.

use serde::Serialize;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::llm::SpaceSpec;

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
