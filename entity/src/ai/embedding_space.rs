//! Embedding spaces; exactly one is active, and at most one is beside it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::SpaceId;

/// What a space is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The one that is searched.
    Active,
    /// The next one: its vectors are made.
    Filling,
    /// The next one: its indexes are built.
    Indexing,
    /// The next one: its indexes are compared with exact search.
    Checking,
    /// The next one: it can become the active one.
    Ready,
    /// The next one: its indexes do not find what they should.
    Refused,
    /// The one that was active before, kept for a way back.
    Previous,
    /// No vectors are left of it.
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
    /// What it is for.
    pub status: Status,
    /// Tokens the model read while the space was filled.
    pub tokens: i64,
    /// How many of the true neighbours its indexes found, table by table.
    #[sea_orm(column_type = "JsonBinary")]
    pub recall: Json,
    /// Why it does not get on.
    pub error: Option<String>,
    /// The process that works on it.
    pub lease_owner: Option<Uuid>,
    /// Until when.
    pub lease_expires_at: Option<DateTimeUtc>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When it last got on.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
