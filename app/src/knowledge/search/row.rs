//! A passage as it is read for a hit.

use entity::ids::{DocumentId, SourceId};
use sea_orm::FromQueryResult;
use serde_json::Value;

use super::result::Hit;

/// Columns of passages.
pub(super) const COLUMNS: &[&str] =
    &["id", "source_id", "title", "heading_path", "content", "page", "metadata"];

/// Returned with each passage. Its source belongs to the same audience.
pub(super) const RELATED: [(&str, &str); 2] = [
    (
        "external_id",
        "(SELECT source.external_id FROM ai_kb_sources AS source WHERE source.id = ai_kb_documents.source_id)",
    ),
    ("url", "(SELECT source.url FROM ai_kb_sources AS source WHERE source.id = ai_kb_documents.source_id)"),
];

#[derive(Clone, Debug, FromQueryResult)]
pub(super) struct Row {
    pub(super) id: DocumentId,
    pub(super) source_id: SourceId,
    external_id: Option<String>,
    url: Option<String>,
    title: String,
    heading_path: String,
    content: String,
    page: Option<i32>,
    metadata: Value,
}

impl From<Row> for Hit {
    /// Without its place.
    fn from(row: Row) -> Self {
        Self {
            document_id: row.id.0,
            source_id: row.source_id.0,
            external_id: row.external_id,
            url: row.url,
            title: row.title,
            heading_path: row.heading_path,
            content: row.content,
            page: row.page,
            score: 0.0,
            similarity: None,
            metadata: row.metadata,
            explain: None,
        }
    }
}
