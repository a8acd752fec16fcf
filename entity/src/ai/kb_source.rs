//! Sources of the knowledge base. `audience` is set by the database.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{CollectionId, JobId, SourceId, TenantId, UserId};

/// How far ingestion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for a worker.
    Queued,
    /// A worker is at it.
    Processing,
    /// Its passages are found.
    Ready,
    /// Given up; `error` says why.
    Failed,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_kb_sources")]
pub struct Model {
    /// Key, UUIDv5.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: SourceId,
    /// Owner (core); none means shared.
    pub owner_id: Option<UserId>,
    /// Tenant (core); none and no owner means everybody.
    pub tenant_id: Option<TenantId>,
    /// The collection (core) it is in, whose readers are then its audience.
    pub collection_id: Option<CollectionId>,
    /// The caller's own id.
    pub external_id: Option<String>,
    /// Free label.
    pub scope: String,
    /// Title.
    pub title: String,
    /// How it was written when it was sent; a page is kept as Markdown.
    pub media_type: String,
    /// The whole text.
    #[sea_orm(column_type = "Text")]
    pub content: String,
    /// SHA-256 over everything that is embedded or shown.
    pub content_hash: Vec<u8>,
    /// SHA-256 of the text, set by the database; none for a blank one.
    pub text_hash: Option<Vec<u8>>,
    /// The caller's own fields.
    #[sea_orm(column_type = "JsonBinary")]
    pub metadata: Json,
    /// How far ingestion is.
    pub status: Status,
    /// Of this text: higher after each replacement, and never used twice.
    pub generation: i64,
    /// Passages.
    pub documents: i32,
    /// The job that ingests it (core).
    pub job_id: Option<JobId>,
    /// The run that ingests it.
    pub lease_owner: Option<Uuid>,
    /// At which code point each page begins, for files with pages.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub pages: Option<Json>,
    /// Where it was fetched from.
    #[sea_orm(column_type = "Text", nullable)]
    pub url: Option<String>,
    /// Why it failed.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
