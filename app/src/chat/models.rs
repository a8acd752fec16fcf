//! `/chat/models`: the models a conversation may choose.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::answer;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::llm::catalogue::{self, LocalServer};
use crate::state::AppState;
use crate::web::{Json, Problems};

/// The models a conversation may choose.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelsView {
    /// Sorted by id; empty while no provider is configured.
    items: Vec<ModelView>,
    /// The model of conversations that choose none; `extractive` without a provider.
    default: String,
    /// The model that is asked when another fails before its first word.
    fallback: Option<String>,
    /// False: the provider's own list could not be had.
    complete: bool,
    /// For administrators: model servers that answer on this machine and are
    /// not used. One is used when OPENAI_BASE_URL names it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    local_servers: Vec<LocalServer>,
}

/// A model.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModelView {
    /// Its name, as a conversation names it.
    id: String,
}

/// List the models a conversation may choose.
#[utoipa::path(get, path = "/chat/models", tag = "chat",
    responses((status = 200, body = ModelsView), Problems))]
pub async fn models(State(state): State<AppState>, user: CurrentUser) -> Result<Json<ModelsView>> {
    let settings = &state.settings;
    let found = async {
        if user.is_admin() {
            catalogue::local_servers(&settings.models, settings.http.port).await
        } else {
            Vec::new()
        }
    };
    let ((names, complete), local_servers) =
        tokio::join!(catalogue::choices(&state.models, &settings.models), found);
    Ok(Json(ModelsView {
        items: names.into_iter().map(|id| ModelView { id }).collect(),
        default: answer::model_name(&state, None),
        fallback: settings.models.chat_fallback_model.clone(),
        complete,
        local_servers,
    }))
}
