//! `POST /memories/batch`

use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::create::NewMemory;
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::llm::Embedder;
use crate::memory::plan::{Draft, Outcome, Stored};
use crate::memory::store::store;
use crate::state::AppState;
use crate::web::extract;
use crate::web::{Json, Problems};

/// Memories to store.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewMemories {
    /// At most 500. Each is judged by itself: a wrong one is rejected, the others are stored.
    #[garde(length(max = 500))]
    #[schema(value_type = Vec<NewMemory>, max_items = 500)]
    pub items: Vec<Value>,
}

/// What became of the memories, in the order of the request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StoredMemories {
    /// One entry an item.
    pub items: Vec<StoredMemory>,
}

/// What became of one memory.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct StoredMemory {
    /// As given.
    pub external_id: Option<String>,
    /// The row's key, unless rejected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// What was done.
    pub status: StoredStatus,
    /// Why it was rejected, naming the field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// What was done with one memory of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StoredStatus {
    /// It is new.
    Created,
    /// Same external id, something else changed.
    Updated,
    /// It was there.
    Unchanged,
    /// It is wrong; nothing was stored for it.
    Rejected,
}

/// Store up to 500 memories.
///
/// Items are independent of each other; what is accepted is embedded together
/// and stored in one transaction. Sending the same batch again changes nothing.
#[utoipa::path(
    post,
    path = "/memories/batch",
    tag = "memory",
    request_body = NewMemories,
    responses((status = 200, description = "What became of each", body = StoredMemories), Problems)
)]
pub async fn create_batch(
    State(state): State<AppState>,
    user: CurrentUser,
    Json(request): Json<NewMemories>,
) -> Result<Json<StoredMemories>> {
    let mut drafts = Vec::with_capacity(request.items.len());
    let mut items = Vec::with_capacity(request.items.len());
    for item in request.items {
        let external_id = external_id(&item);
        let draft = read(item, &user, state.embedder().as_ref());
        items.push((external_id, draft.as_ref().err().map(ToString::to_string)));
        drafts.extend(draft);
    }
    let mut stored = store(&state, &drafts).await?.into_iter();
    let items = items
        .into_iter()
        .map(|(external_id, error)| match error {
            Some(error) => StoredMemory::rejected(external_id, error),
            None => StoredMemory::stored(external_id, stored.next()),
        })
        .collect();
    Ok(Json(StoredMemories { items }))
}

impl StoredMemory {
    fn rejected(external_id: Option<String>, error: String) -> Self {
        Self { external_id, id: None, status: StoredStatus::Rejected, error: Some(error) }
    }

    fn stored(external_id: Option<String>, stored: Option<Stored>) -> Self {
        Self {
            external_id,
            id: stored.map(|stored| stored.id.0),
            status: match stored.map(|stored| stored.outcome) {
                Some(Outcome::Created) => StoredStatus::Created,
                Some(Outcome::Updated) => StoredStatus::Updated,
                Some(Outcome::Unchanged) | None => StoredStatus::Unchanged,
            },
            error: None,
        }
    }
}

fn read(item: Value, user: &CurrentUser, embedder: &dyn Embedder) -> Result<Draft> {
    extract::checked::<NewMemory>(item)?.into_draft(user, embedder)
}

/// As given, even if the rest of the item cannot be read.
fn external_id(item: &Value) -> Option<String> {
    Some(item.get("external_id")?.as_str()?.to_owned())
}
