//! The answer to a deletion.

use axum::http::StatusCode;

/// 204 when it is done on both sides; 202 when ai, which is away, does its part later.
pub fn gone(on_both_sides: bool) -> StatusCode {
    if on_both_sides { StatusCode::NO_CONTENT } else { StatusCode::ACCEPTED }
}
