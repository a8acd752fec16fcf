//! What a search is near to, as a vector.

use crate::error::{Error, Result};
use crate::state::AppState;

/// Checks a vector and scales it to length 1, which keeps every cosine and
/// keeps the squares of large numbers from overflowing in the database.
pub(super) fn unit(state: &AppState, vector: Vec<f32>) -> Result<Vec<f32>> {
    let dimensions = state.models.embedder.space().dimensions;
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
