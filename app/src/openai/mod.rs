//! The face that OpenAI clients know: `/v1`.
//!
//! Whatever speaks to OpenAI can be pointed here with an API key of Tandem's
//! and has the user's knowledge and memories in its answers. Fields that are
//! not known are ignored, errors have OpenAI's shape. Every answer and every
//! embedding is paid from the user's quota, like a message.

mod cite;
pub mod completions;
pub mod embeddings;
mod extension;
pub mod models;
mod numbers;
pub mod responses;
mod shape;
mod sse;
mod tools;

pub use shape::{in_its_shape, is_ours};

use crate::error::Error;

/// Where the face begins.
pub const BASE: &str = "/v1";

/// A 404 that names what there is.
fn no_such_model(asked: &str, there_is: &str) -> Error {
    Error::Absent {
        code: "model_not_found",
        detail: format!("the model '{asked}' does not exist here; there is '{there_is}'"),
    }
}
