//! Embedding spaces; exactly one is active.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::SpaceId;

/// Whether searches use a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The one that is searched.
    Active,
    /// A former one.
    Retired,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_embedding_spaces")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SpaceId,
    /// `local` or `openai`.
    pub provider: String,
    /// Model name.
    pub model: String,
    /// Length of a vector.
    pub dimensions: i32,
    /// Put before a question.
    pub query_prefix: String,
    /// Put before a passage.
    pub passage_prefix: String,
    /// Whether searches use it.
    pub status: Status,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
