//! Which models answer here.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::no_such_model;
use crate::auth::CurrentUser;
use crate::chat;
use crate::error::Result;
use crate::llm::catalogue;
use crate::state::AppState;
use crate::web::{Json, Path};

/// A model.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Model {
    /// Its name.
    pub id: String,
    /// Always `model`.
    pub object: &'static str,
    /// Always 0: nobody knows when it was made.
    pub created: i64,
    /// Who runs it: `tandem` in this process, or `provider`.
    pub owned_by: &'static str,
}

/// All models.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Models {
    /// Always `list`.
    pub object: &'static str,
    /// The configured chat model, those the provider has beside it, and the embedding model.
    pub data: Vec<Model>,
}

async fn known(state: &AppState) -> Vec<Model> {
    let model = |id: String, is_remote: bool| Model {
        id,
        object: "model",
        created: 0,
        owned_by: if is_remote { "provider" } else { "tandem" },
    };
    let (configured, is_remote) = (chat::model_name(state, None), state.models.chat.is_some());
    let (others, _) = catalogue::choices(&state.models, &state.settings.models).await;
    let others = others.into_iter().filter(|name| *name != configured).map(|name| model(name, true));
    let embedder = state.embedder();
    let space = embedder.space();
    let mut models = vec![model(configured.clone(), is_remote)];
    models.extend(others);
    models.retain(|known| known.id != space.model);
    models.push(model(space.model.clone(), space.provider != "local"));
    models
}

/// The chat model that a request names; 404 if no conversation could choose it.
pub(super) async fn chosen(state: &AppState, asked: &str) -> Result<String> {
    let configured = chat::model_name(state, None);
    if asked == configured {
        return Ok(configured);
    }
    let (others, _) = catalogue::choices(&state.models, &state.settings.models).await;
    if others.iter().any(|name| name == asked) {
        return Ok(asked.to_owned());
    }
    Err(no_such_model(asked, &configured))
}

/// Lists the models that can be named in requests.
#[utoipa::path(get, path = "/v1/models", tag = "openai", responses((status = 200, description = "The models", body = Models)))]
pub async fn list(State(state): State<AppState>, _: CurrentUser) -> Json<Models> {
    Json(Models { object: "list", data: known(&state).await })
}

/// One model.
#[utoipa::path(get, path = "/v1/models/{model}", tag = "openai", params(("model" = String, Path, description = "Its name")),
    responses((status = 200, description = "The model", body = Model)))]
pub async fn read(
    State(state): State<AppState>,
    _: CurrentUser,
    Path(name): Path<String>,
) -> Result<Json<Model>> {
    let there_is = known(&state).await;
    let names = there_is.iter().map(|model| model.id.as_str()).collect::<Vec<_>>().join("' and '");
    let found = there_is.iter().find(|model| model.id == name).cloned();
    found.map(Json).ok_or_else(|| no_such_model(&name, &names))
}
