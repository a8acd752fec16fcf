//! The model a conversation chooses.

use crate::error::{Error, Result};
use crate::llm::catalogue;
use crate::state::AppState;

/// 422 for a model that no conversation may choose.
pub(super) async fn choose(state: &AppState, model: &str) -> Result<()> {
    let (names, is_complete) = catalogue::choices(&state.models, &state.settings.models).await;
    if names.iter().any(|name| name == model) {
        return Ok(());
    }
    if !is_complete && state.settings.models.chat_models.is_empty() {
        let detail = "the provider's list of models cannot be had right now".to_owned();
        return Err(Error::Unavailable { code: "models_unavailable", detail, source: None });
    }
    Err(Error::field("model", "no model of this server; GET /chat/models lists them"))
}
