//! Citations: one row a marker in an answer.

use crate::ids::{CitationId, DocumentId, MessageId, PortfolioId, SourceId};
use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What a citation points to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum CitationKind {
    /// A passage of a source.
    #[default]
    Passage,
    /// Figures that a tool, or the prompt, told.
    Figures,
}

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
    /// What it points to.
    pub kind: CitationKind,
    /// Cited passage (ai); none of figures.
    pub document_id: Option<DocumentId>,
    /// Its source (ai).
    pub source_id: Option<SourceId>,
    /// Whose figures are cited; none of passages, and of prices.
    pub portfolio_id: Option<PortfolioId>,
    /// The tool that told the figures; none: the prompt did.
    #[sea_orm(column_type = "Text", nullable)]
    pub tool: Option<String>,
    /// The model's id of the call.
    #[sea_orm(column_type = "Text", nullable)]
    pub tool_call_id: Option<String>,
    /// The day of the figures.
    pub as_of: Option<Date>,
    /// Title of the source, name of the portfolio; empty once deleted.
    #[sea_orm(column_type = "Text")]
    pub title: String,
    /// What supports the statement; empty once deleted.
    #[sea_orm(column_type = "Text")]
    pub quote: String,
    /// The page on which the passage begins, from 1.
    pub page: Option<i32>,
    /// First code point of the marker in the answer.
    pub span_start: i32,
    /// One past its last code point.
    pub span_end: i32,
    /// The source or portfolio is gone.
    pub deleted: bool,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// Its message.
    #[sea_orm(belongs_to, from = "message_id", to = "id")]
    pub message: BelongsTo<super::message::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
