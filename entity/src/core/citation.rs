//! Citations: one row a marker in an answer.

use crate::ids::{CitationId, DocumentId, MessageId, SourceId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "citations")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CitationId,
    /// The answer.
    pub message_id: MessageId,
    /// Order in the answer, from 0.
    pub ordinal: i32,
    /// The number in the marker.
    pub index: i32,
    /// Cited passage (ai).
    pub document_id: DocumentId,
    /// Its source (ai).
    pub source_id: SourceId,
    /// Title of the source; empty once deleted.
    #[sea_orm(column_type = "Text")]
    pub title: String,
    /// Supporting sentence; empty once deleted.
    #[sea_orm(column_type = "Text")]
    pub quote: String,
    /// The page on which the passage begins, from 1.
    pub page: Option<i32>,
    /// First code point of the marker in the answer.
    pub span_start: i32,
    /// One past its last code point.
    pub span_end: i32,
    /// The source is gone.
    pub deleted: bool,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// Its message.
    #[sea_orm(belongs_to, from = "message_id", to = "id")]
    pub message: BelongsTo<super::message::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
