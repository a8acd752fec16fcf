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

// Measured on four public collections (abstracts, financial reports, filings,
// conversations; 355 questions, each with its best relevant passage and 150
// others of the same collection). A relevant passage is below the floor in 1 of
// 100 cases (filings and reports) to 6 of 100 (conversations); for the small
// model in 1 to 6 as well. An arbitrary passage of the same collection lies
// around .16 to .25 (small model: .18 to .31), so the floor tells a question
// about something else from one about the subject, and not more than that.
//
//   similarity of          relevant, 2 % / 5 % / 50 %          other, 50 % / 95 %
//   all-MiniLM-L6-v2       .17-.30 / .23-.38 / .50-.65         .16-.25 / .37-.46
//   pocket                 .15-.34 / .23-.42 / .44-.64         .18-.31 / .40-.50
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
                format!(
                    "use {MINILM} or {POCKET}, or set EMBEDDING_PROVIDER=openai for a model of an OpenAI-compatible server"
                ),
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
