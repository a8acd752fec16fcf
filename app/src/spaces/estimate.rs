//! What a change would take: texts, tokens, money, time.

use std::sync::Arc;

use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::fill::text_of;
use crate::db::space::{TABLES, fill};
use crate::error::Result;
use crate::llm::{EmbedKind, Embedder, Usage};
use crate::state::AppState;
use crate::usage;

/// Texts of each table that are embedded to see how long it takes.
const SAMPLE: u32 = 32;

/// What a change would take. Tokens, price and time go by a sample.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Estimate {
    /// `local` or `openai`.
    pub provider: String,
    /// Model name.
    pub model: String,
    /// Length of a vector.
    pub dimensions: u32,
    /// Passages and memories.
    pub texts: i64,
    /// About how many tokens they have.
    pub tokens: i64,
    /// US dollars; null when the model's price is not in `[prices]`.
    pub cost_usd: Option<String>,
    /// About how long embedding takes, with this machine or provider alone at work.
    pub seconds: f64,
    /// Texts of the sample.
    pub sampled: usize,
    /// Of those, texts longer than the model reads: it would cut them.
    pub too_long: usize,
}

/// Embeds a few texts and says what all of them would take. Stores nothing but the ledger's row.
pub async fn estimate(state: &AppState, embedder: Arc<dyn Embedder>) -> Result<Estimate> {
    let (mut rows, mut characters, mut texts) = (0, 0, Vec::new());
    for table in TABLES {
        let (sample, of_table, length) = fill::sample(&state.ai, table, SAMPLE).await?;
        rows += of_table;
        characters += length;
        texts.extend(sample.iter().map(|row| text_of(state, embedder.as_ref(), table, row)));
    }
    let space = embedder.space().clone();
    let counted: Vec<usize> = texts.iter().map(|text| embedder.count_tokens(text)).collect();
    let too_long = counted.iter().filter(|tokens| **tokens > embedder.max_tokens()).count();
    let (sampled, read) = (texts.len(), texts.iter().map(|text| text.chars().count()).sum::<usize>());
    let tokens: usize = counted.iter().sum();
    let seconds = if texts.is_empty() { 0.0 } else { timed(state, embedder.as_ref(), texts).await? };
    let all = share(characters, read);
    let tokens = scaled(tokens, all);
    let usage = Usage { prompt_tokens: u32::try_from(tokens).unwrap_or(u32::MAX), ..Usage::default() };
    let cost_usd = match space.provider.as_str() {
        "local" => Some("0".to_owned()),
        _ => {
            usage::cost(&state.settings.prices, &space.model, &usage).map(|cost| cost.normalize().to_string())
        }
    };
    Ok(Estimate {
        provider: space.provider,
        model: space.model,
        dimensions: space.dimensions,
        texts: rows,
        tokens,
        cost_usd,
        seconds: seconds * all,
        sampled,
        too_long,
    })
}

async fn timed(state: &AppState, embedder: &dyn Embedder, texts: Vec<String>) -> Result<f64> {
    let begun = Instant::now();
    usage::embed(state, embedder, None, EmbedKind::Passage, texts).await?;
    Ok(begun.elapsed().as_secs_f64())
}

/// How often the sample goes into the whole.
#[expect(clippy::cast_precision_loss, reason = "an estimate")]
fn share(characters: i64, read: usize) -> f64 {
    if read == 0 { 0.0 } else { characters as f64 / read as f64 }
}

#[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "an estimate")]
fn scaled(tokens: usize, all: f64) -> i64 {
    (tokens as f64 * all).round() as i64
}
