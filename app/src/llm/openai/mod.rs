//! Models of any OpenAI-compatible server, through async-openai.
//!
//! No type of async-openai leaves this folder. Requests and answers have our
//! own shapes (`wire`), which take missing and additional fields, because
//! the servers differ. There is one retry layer (`retry`): async-openai's
//! own is replaced together with its transport (`transport`), and so is its
//! reader of streams (`events`).

mod calls;
mod chat;
mod connection;
mod embed;
mod endpoint;
mod events;
mod limits;
mod list;
mod reader;
mod retry;
mod transport;
mod wire;

use std::sync::Arc;

pub(super) use list::models_at;

use super::{ChatModel, Embedder};
use crate::config::Models;
use crate::error::{Error, Result};

/// The embedding model when none is configured.
pub const EMBEDDING_MODEL: &str = "text-embedding-3-small";

/// Models whose vectors have a known length.
const KNOWN_DIMENSIONS: [(&str, u32); 3] =
    [(EMBEDDING_MODEL, 1536), ("text-embedding-3-large", 3072), ("text-embedding-ada-002", 1536)];

/// The chat model of the settings; none when no provider is configured.
pub fn chat_from_settings(settings: &Models) -> Result<Option<Arc<dyn ChatModel>>> {
    if !settings.has_chat_provider() {
        return Ok(None);
    }
    Ok(Some(Arc::new(chat::Chat::new(settings)?)))
}

/// The embedding model of the settings.
pub fn embedder_from_settings(settings: &Models) -> Result<Arc<dyn Embedder>> {
    if !settings.has_chat_provider() {
        return Err(Error::startup(
            "EMBEDDING_PROVIDER=openai needs a provider, and neither OPENAI_API_KEY nor OPENAI_BASE_URL is set",
            "set one of them, or EMBEDDING_PROVIDER=local",
        ));
    }
    let model = settings.embedding_model.as_deref().unwrap_or(EMBEDDING_MODEL);
    let known = KNOWN_DIMENSIONS.iter().find(|(name, _)| *name == model).map(|(_, dimensions)| *dimensions);
    let Some(dimensions) = settings.embedding_dimensions.or(known).filter(|dimensions| *dimensions > 0)
    else {
        return Err(Error::startup(
            format!("how long the vectors of EMBEDDING_MODEL={model} are is not known"),
            "set EMBEDDING_DIMENSIONS to the length that the model's documentation names",
        ));
    };
    Ok(Arc::new(embed::Remote::new(settings, model, dimensions)?))
}
