//! Vectors of the active embedding model.

use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::no_such_model;
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::usage;
use crate::web::Json;

/// Texts of one request, as OpenAI limits them.
const INPUTS_MAX: usize = 2048;

/// Texts to embed.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
pub struct EmbeddingsRequest {
    /// The active embedding model, by name.
    #[garde(skip)]
    pub model: String,
    /// A text, or up to 2,048. Lists of token numbers are refused: they belong to another model's alphabet.
    #[garde(skip)]
    pub input: Input,
    /// `float` (default) or `base64` (32-bit floats, little-endian).
    #[garde(skip)]
    #[serde(default)]
    pub encoding_format: Encoding,
    /// The model's own number of dimensions; no other is made.
    #[garde(skip)]
    #[serde(default)]
    pub dimensions: Option<u32>,
}

/// One text or several.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Input {
    /// One text.
    One(String),
    /// Several, in order.
    Many(Vec<String>),
}

/// How vectors are written.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// As numbers.
    #[default]
    Float,
    /// As base64.
    Base64,
}

/// A vector.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Embedding {
    /// Always `embedding`.
    pub object: &'static str,
    /// The text's place in the request.
    pub index: usize,
    /// Of unit length.
    pub embedding: Vector,
}

/// A vector as numbers or as base64.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Vector {
    /// Numbers.
    Float(Vec<f32>),
    /// Base64 of 32-bit floats, little-endian.
    Base64(String),
}

/// Vectors in the order of their texts.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EmbeddingsAnswer {
    /// Always `list`.
    pub object: &'static str,
    /// The vectors.
    pub data: Vec<Embedding>,
    /// The model that made them.
    pub model: String,
    /// What the model read.
    pub usage: EmbeddingsUsage,
}

/// Tokens that were read.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct EmbeddingsUsage {
    /// Tokens.
    pub prompt_tokens: u64,
    /// The same.
    pub total_tokens: u64,
}

/// Embeds texts with the model that Tandem searches with.
#[utoipa::path(post, path = "/v1/embeddings", tag = "openai", request_body = EmbeddingsRequest,
    responses((status = 200, description = "The vectors", body = EmbeddingsAnswer)))]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    Json(request): Json<EmbeddingsRequest>,
) -> Result<Json<EmbeddingsAnswer>> {
    let embedder = state.embedder();
    let space = embedder.space();
    if request.model != space.model {
        return Err(no_such_model(&request.model, &space.model));
    }
    if request.dimensions.is_some_and(|asked| asked != space.dimensions) {
        return Err(Error::field(
            "dimensions",
            format!("{} makes {} dimensions", space.model, space.dimensions),
        ));
    }
    let texts = texts(request.input)?;
    let made = usage::embed_on_quota(&state, user.id, texts).await?;
    let write = |vector: Vec<f32>| match request.encoding_format {
        Encoding::Float => Vector::Float(vector),
        Encoding::Base64 => Vector::Base64(
            STANDARD.encode(vector.iter().flat_map(|number| number.to_le_bytes()).collect::<Vec<u8>>()),
        ),
    };
    let data = made
        .vectors
        .into_iter()
        .enumerate()
        .map(|(index, vector)| Embedding { object: "embedding", index, embedding: write(vector) })
        .collect();
    let usage = EmbeddingsUsage { prompt_tokens: made.tokens, total_tokens: made.tokens };
    Ok(Json(EmbeddingsAnswer { object: "list", data, model: space.model.clone(), usage }))
}

fn texts(input: Input) -> Result<Vec<String>> {
    let texts = match input {
        Input::One(text) => vec![text],
        Input::Many(texts) => texts,
    };
    if texts.is_empty() || texts.len() > INPUTS_MAX {
        return Err(Error::field(
            "input",
            format!("has {} texts, 1 to {INPUTS_MAX} are allowed", texts.len()),
        ));
    }
    match texts.iter().position(|text| text.trim().is_empty()) {
        Some(index) => Err(Error::field(format!("input[{index}]"), "must not be blank")),
        None => Ok(texts),
    }
}
