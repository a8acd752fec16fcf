//! What a model in this process can do, without threads or queues.

use crate::llm::{EmbedKind, ModelError};

/// Vectors of a batch.
pub(super) struct Vectors {
    /// One a text, in order.
    pub vectors: Vec<Vec<f32>>,
    /// Tokens that were read of each text, special ones included.
    pub tokens: Vec<u64>,
}

/// A model in this process. Its calls block.
pub(super) trait Engine: Send + Sync + 'static {
    /// Embeds texts, none of which is blank.
    fn embed(&self, kind: EmbedKind, texts: &[&str]) -> Result<Vectors, ModelError>;

    /// Counts tokens, without special ones and without a limit.
    fn count_tokens(&self, text: &str) -> usize;
}
