//! Tandem's own words in a request: what an answer may rest on.

use axum::http::HeaderMap;
use serde::Deserialize;
use utoipa::ToSchema;

/// With `off` the answer rests on the messages alone.
const RETRIEVAL_HEADER: &str = "x-tandem-retrieval";

/// Which of the user's own things the answer may rest on.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(default)]
pub struct Extension {
    /// Passages of the user's documents, cited as annotations.
    pub knowledge: bool,
    /// What the user told earlier.
    pub memory: bool,
}

impl Default for Extension {
    fn default() -> Self {
        Self { knowledge: true, memory: true }
    }
}

impl Extension {
    /// The same, as the header allows.
    pub(super) fn under(self, headers: &HeaderMap) -> Self {
        let is_off = headers.get(RETRIEVAL_HEADER).is_some_and(|value| value == "off");
        Self { knowledge: self.knowledge && !is_off, memory: self.memory && !is_off }
    }
}
