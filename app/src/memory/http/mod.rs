//! `/memories`: shapes shared by its routes.

pub mod batch;
pub mod create;
pub mod delete;
pub mod edit;
pub mod list;
pub mod read;
pub mod search;

use chrono::{DateTime, Utc};
use entity::ai::memory::{Model, Origin};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::web::text::fields_within;

/// Largest `metadata` in bytes of JSON.
const METADATA_BYTES_MAX: usize = 16 * 1024;

/// Where a memory comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryOrigin {
    /// Written through the API.
    User,
    /// Said in a conversation.
    Chat,
}

/// A memory.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Memory {
    /// Key; follows from owner, persona, character, scope and `external_id` or content. An edit keeps it.
    pub id: Uuid,
    /// The caller's own id.
    pub external_id: Option<String>,
    /// What is remembered.
    pub content: String,
    /// Free label; `global` and `tenant:<id>` are shared.
    pub scope: String,
    /// Who the user is; none means any.
    pub persona_id: Option<Uuid>,
    /// Whom the user talks to; none means any.
    pub character_id: Option<Uuid>,
    /// The caller's own fields.
    #[schema(value_type = Object)]
    pub metadata: Value,
    /// Where it comes from.
    pub origin: MemoryOrigin,
    /// Whether others see it too.
    pub shared: bool,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

impl From<Model> for Memory {
    fn from(row: Model) -> Self {
        Self {
            id: row.id.0,
            external_id: row.external_id,
            content: row.content,
            scope: row.scope,
            persona_id: row.persona_id,
            character_id: row.character_id,
            metadata: row.metadata,
            origin: match row.origin {
                Origin::User => MemoryOrigin::User,
                Origin::Chat => MemoryOrigin::Chat,
            },
            shared: row.owner_id.is_none(),
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// Bounded, and free of the NUL character, which Postgres refuses in JSON as well.
fn storable<C>(metadata: &Map<String, Value>, _: &C) -> garde::Result {
    fields_within(metadata, METADATA_BYTES_MAX)
}
