//! Embedding models in this process: no key, no network.

mod engine;
mod front;
mod gemm;
mod kernels;
mod minilm;
mod pocket;
mod weights;

use std::path::Path;
use std::sync::Arc;

use self::front::{Facts, Front};
use self::minilm::MiniLm;
use self::pocket::Pocket;
use super::{Embedder, SpaceSpec};
use crate::config::Models;
use crate::error::{Error, Result};

/// The default model; fetched by `make setup`.
pub const MINILM: &str = "all-MiniLM-L6-v2";
/// The small model inside the binary.
pub const POCKET: &str = "pocket";

/// Both models' vectors have this length.
const DIMENSIONS: u32 = 384;

/// Special tokens around every text.
const SPECIAL_TOKENS: usize = 2;

const MINILM_FLOOR: f32 = 0.25;
const POCKET_FLOOR: f32 = 0.25;

/// Loads the model that the settings name.
pub fn from_settings(settings: &Models, cache_dir: &Path) -> Result<Arc<dyn Embedder>> {
    if let Some(dimensions) = settings.embedding_dimensions
        && dimensions != DIMENSIONS
    {
        return Err(Error::startup(
            format!("EMBEDDING_DIMENSIONS is {dimensions}, the local models make vectors of {DIMENSIONS}"),
            format!("unset EMBEDDING_DIMENSIONS or set it to {DIMENSIONS}"),
        ));
    }
    let front = match settings.embedding_model.as_deref().unwrap_or(MINILM) {
        MINILM => {
            let model = MiniLm::read(&cache_dir.join("models").join(MINILM))?;
            Front::start(facts(MINILM, weights::WINDOW, MINILM_FLOOR), Arc::new(model))?
        }
        POCKET => Front::start(facts(POCKET, pocket::WINDOW, POCKET_FLOOR), Arc::new(Pocket::unpack()?))?,
        other => {
            return Err(Error::startup(
                format!("EMBEDDING_MODEL={other} is not a local model"),
                format!("use {MINILM} or {POCKET}, or set EMBEDDING_PROVIDER=openai for a model of an OpenAI-compatible server"),
            ));
        }
    };
    Ok(Arc::new(front))
}

fn facts(model: &str, window: usize, similarity_floor: f32) -> Facts {
    Facts {
        space: SpaceSpec {
            provider: "local".to_owned(),
            model: model.to_owned(),
            dimensions: DIMENSIONS,
            query_prefix: String::new(),
            passage_prefix: String::new(),
        },
        max_tokens: window - SPECIAL_TOKENS,
        similarity_floor,
    }
}
