//! Uploaded files that wait for their parser.

use sea_orm::entity::prelude::*;

use crate::ids::SourceId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_kb_files")]
pub struct Model {
    /// The source it is to become.
    #[sea_orm(primary_key, auto_increment = false)]
    pub source_id: SourceId,
    /// The generation of the source it belongs to.
    pub generation: i64,
    /// The source's audience.
    pub audience: Uuid,
    /// How it is to be read.
    pub media_type: String,
    /// Its name, without any folder.
    pub filename: Option<String>,
    /// Whether the sender said what the source is called.
    pub titled: bool,
    /// The file; empty when it is still to be fetched.
    pub bytes: Vec<u8>,
    /// Where it is to be fetched from.
    #[sea_orm(column_type = "Text", nullable)]
    pub url: Option<String>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
