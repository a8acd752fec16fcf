//! The small model inside the binary: paraphrase-MiniLM-L3 in four bits.

use pocket_encoder::Encoder;
use rayon::prelude::*;

use super::engine::{Engine, Vectors};
use super::front::failed;
use crate::error::{Error, Result};
use crate::llm::{EmbedKind, ModelError, estimate};

/// Longest text the crate takes, in bytes. Far more than its window of 128
/// tokens, so what is cut off here would not have been read anyway.
const TEXT_BYTES: usize = 65_536;
/// Its window, both special tokens included.
pub(super) const WINDOW: usize = 128;

/// The model, ready to use.
pub(super) struct Pocket(Encoder);

impl Pocket {
    /// Unpacks the weights.
    pub(super) fn unpack() -> Result<Self> {
        Encoder::new().map(Self).map_err(|error| {
            Error::startup(
                format!("the embedding model inside the binary cannot be unpacked: {error}"),
                "report this",
            )
        })
    }

    fn one(&self, text: &str) -> Result<Vec<f32>, ModelError> {
        let text = &text[..text.floor_char_boundary(TEXT_BYTES)];
        let mut vectors = self.0.embed(&[text]).map_err(|error| failed(error.to_string()))?;
        vectors.pop().ok_or_else(|| failed("the embedding model made no vector".to_owned()))
    }
}

impl Engine for Pocket {
    fn embed(&self, _: EmbedKind, texts: &[&str]) -> Result<Vectors, ModelError> {
        let vectors = texts.par_iter().map(|text| self.one(text)).collect::<Result<_, _>>()?;
        // The crate does not say what it read.
        let tokens = texts.iter().map(|text| estimate::tokens(text).min(WINDOW - 2) as u64 + 2).collect();
        Ok(Vectors { vectors, tokens })
    }

    fn count_tokens(&self, text: &str) -> usize {
        // The crate keeps its tokenizer to itself.
        estimate::tokens(text)
    }
}
