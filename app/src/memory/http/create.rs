//! `POST /memories`

use axum::extract::State;
use axum::http::StatusCode;
use entity::ai::memory::Origin;
use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Memory, storable};
use crate::auth::{CurrentUser, Ownership};
use crate::error::{Error, Result};
use crate::llm::Embedder;
use crate::memory::plan::{Draft, Outcome};
use crate::memory::store::{fits_window, store};
use crate::memory::{SCOPE_DEFAULT, queries};
use crate::state::AppState;
use crate::web::text::not_blank;
use crate::web::{Json, Problems};

/// A memory to store.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMemory {
    /// What to remember: 1 to 8,000 characters, and no longer than the embedding model reads.
    #[garde(length(chars, max = 8000), custom(not_blank))]
    #[schema(min_length = 1, max_length = 8000)]
    pub content: String,
    /// Free label, at most 100 characters; `global` and `tenant:<id>` share the memory and are for administrators.
    #[garde(length(chars, max = 100), custom(not_blank))]
    #[serde(default = "scope_default")]
    #[schema(max_length = 100, default = "user")]
    pub scope: String,
    /// Who the user is; memories of one persona and character are invisible to another.
    #[garde(skip)]
    pub persona_id: Option<Uuid>,
    /// Whom the user talks to.
    #[garde(skip)]
    pub character_id: Option<Uuid>,
    /// The caller's own id, at most 500 characters. The same id with other text or metadata replaces the memory.
    #[garde(length(chars, max = 500), inner(custom(not_blank)))]
    #[schema(max_length = 500)]
    pub external_id: Option<String>,
    /// The caller's own fields, at most 16 KiB of JSON.
    #[garde(inner(custom(storable)))]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
}

fn scope_default() -> String {
    SCOPE_DEFAULT.to_owned()
}

impl NewMemory {
    /// What is to be stored, once it is known to be allowed and to fit the embedding model.
    pub(super) fn into_draft(self, user: &CurrentUser, embedder: &dyn Embedder) -> Result<Draft> {
        let ownership = Ownership::for_scope(user, &self.scope)?;
        fits_window(embedder, &self.content)?;
        Ok(Draft {
            ownership,
            persona_id: self.persona_id,
            character_id: self.character_id,
            scope: self.scope,
            external_id: self.external_id,
            content: self.content,
            metadata: self.metadata.map(Value::Object),
            origin: Origin::User,
            said_in: None,
        })
    }
}

/// Store a memory.
///
/// The same text (letter case and white space aside) for the same owner,
/// persona, character and scope is one memory: 200 with the row as it is, also
/// when it has been edited since. The same `external_id` with other text
/// replaces it: 200.
#[utoipa::path(
    post,
    path = "/memories",
    tag = "memory",
    request_body = NewMemory,
    responses(
        (status = 201, description = "Stored", body = Memory),
        (status = 200, description = "Was there, now up to date", body = Memory),
        Problems
    )
)]
pub async fn create(
    State(state): State<AppState>,
    user: CurrentUser,
    Json(request): Json<NewMemory>,
) -> Result<(StatusCode, Json<Memory>)> {
    let draft = request.into_draft(&user, state.embedder().as_ref())?;
    let stored = store(&state, std::slice::from_ref(&draft)).await?;
    let stored = stored.first().ok_or(Error::NotFound("memory"))?;
    let row = queries::find_of(&state.ai, draft.ownership, stored.id).await?;
    let status = match stored.outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::Updated | Outcome::Unchanged => StatusCode::OK,
    };
    Ok((status, Json(row.into())))
}
