//! Vectors of unit length: their product is the cosine of their angle.

/// Scales to unit length; false when there is no direction to keep.
pub(super) fn to_unit_length(vector: &mut [f32]) -> bool {
    let square: f64 = vector.iter().map(|value| f64::from(*value).powi(2)).sum();
    let length = square.sqrt();
    if !length.is_finite() || length <= 0.0 {
        return false;
    }
    for value in vector {
        #[expect(clippy::cast_possible_truncation, reason = "a component of a unit vector fits")]
        let scaled = (f64::from(*value) / length) as f32;
        *value = scaled;
    }
    true
}
