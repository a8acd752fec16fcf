//! Passages: what is embedded, searched and cited. `audience` is set by the database; the embedding column belongs to the space.

use crate::ids::{CollectionId, DocumentId, SourceId, TenantId, UserId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_kb_documents")]
pub struct Model {
    /// Key, UUIDv5.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: DocumentId,
    /// Source.
    pub source_id: SourceId,
    /// Owner (core); none means shared.
    pub owner_id: Option<UserId>,
    /// Tenant (core); none and no owner means everybody.
    pub tenant_id: Option<TenantId>,
    /// The collection (core) it is in, whose readers are then its audience.
    pub collection_id: Option<CollectionId>,
    /// The source's label.
    pub scope: String,
    /// The source's title.
    pub title: String,
    /// Headings above the passage, outermost first, joined by " > ".
    pub heading_path: String,
    /// Text of the passage.
    #[sea_orm(column_type = "Text")]
    pub content: String,
    /// Order in the source, from 0.
    pub position: i32,
    /// First code point in the source.
    pub char_start: i32,
    /// One past its last code point.
    pub char_end: i32,
    /// The page on which it begins, from 1.
    pub page: Option<i32>,
    /// Tokens of the embedded text.
    pub tokens: i32,
    /// The source's fields.
    #[sea_orm(column_type = "JsonBinary")]
    pub metadata: Json,
    /// Vector of the active space.
    #[sea_orm(column_type = "Vector(None)", nullable)]
    pub embedding: Option<PgVector>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
