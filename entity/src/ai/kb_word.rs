//! The words of passages, as numbers.

use sea_orm::entity::prelude::*;

use crate::ids::DocumentId;

/// A row. Its keys are written by COPY and asked for by their index only.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_kb_words")]
pub struct Model {
    /// The passage.
    #[sea_orm(primary_key, auto_increment = false)]
    pub document_id: DocumentId,
    /// Its words in their order, 4 bytes each.
    pub sequence: Vec<u8>,
    /// The words of its title, scope and metadata, 4 bytes each.
    pub labels: Vec<u8>,
    /// By which rules they were made.
    pub version: i16,
}

impl ActiveModelBehavior for ActiveModel {}
