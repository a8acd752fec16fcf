//! What a caller gives, and when it is refused.

use bytes::Bytes;
use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::chunk::MediaType;
use crate::auth::{CurrentUser, Ownership};
use crate::error::Result;
use crate::parse::FileType;
use crate::web::text::{fields_within, no_nul, not_blank};

/// Longest text of a source, in characters.
pub(super) const TEXT_CHARS_MAX: usize = 8_000_000;
/// Longest title, in characters.
pub(super) const TITLE_CHARS_MAX: usize = 500;
/// Largest metadata, in bytes of JSON.
pub(super) const METADATA_BYTES_MAX: usize = 32 * 1024;
/// The label of a user's own sources without one.
pub(super) const OWN_SCOPE: &str = "user";

/// A text for the knowledge base.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceInput {
    /// What it is called; 1 to 500 characters.
    #[garde(length(chars, max = TITLE_CHARS_MAX), custom(not_blank))]
    #[schema(min_length = 1, max_length = 500)]
    pub title: String,
    /// The text; at most 8,000,000 characters. A blank text is skipped.
    #[garde(length(chars, max = TEXT_CHARS_MAX), custom(no_nul))]
    #[schema(max_length = 8_000_000)]
    pub text: String,
    /// Your own id of the text, at most 500 characters. The same id again replaces the text.
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 500), custom(optional_no_nul))]
    #[schema(min_length = 1, max_length = 500)]
    pub external_id: Option<String>,
    /// Free label, at most 100 characters; `user` without one. `global` and `tenant:<id>` share the text and are for administrators.
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 100), custom(optional_no_nul))]
    #[schema(min_length = 1, max_length = 100)]
    pub scope: Option<String>,
    /// Your own fields, at most 32 KiB of JSON. Searches can filter on them.
    #[serde(default)]
    #[garde(custom(bounded_metadata))]
    #[schema(value_type = Object)]
    pub metadata: Map<String, Value>,
    /// How the text is written.
    #[serde(default)]
    #[garde(skip)]
    pub media_type: MediaType,
}

/// A file, which becomes a text when it is parsed.
#[derive(Clone, Debug)]
pub struct FileContent {
    /// The file.
    pub bytes: Bytes,
    /// How it is to be read.
    pub kind: FileType,
    /// Its name, without any folder; at most 255 characters.
    pub filename: Option<String>,
    /// Whether the sender said what it is called; if not, its own title counts.
    pub titled: bool,
}

/// A checked text, or a file, and whom it is for.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Whom it is for.
    pub ownership: Ownership,
    /// Its label.
    pub scope: String,
    /// The text; blank when a file comes instead.
    pub input: SourceInput,
    /// The file.
    pub file: Option<FileContent>,
}

impl Offer {
    /// What a user gives. 403 when its scope is not the user's to write.
    pub fn by(user: &CurrentUser, input: SourceInput) -> Result<Self> {
        let scope = input.scope.clone().unwrap_or_else(|| OWN_SCOPE.to_owned());
        Ok(Self { ownership: Ownership::for_scope(user, &scope)?, scope, input, file: None })
    }
}

impl Offer {
    /// The media type its source is shown with.
    pub(super) fn media_type(&self) -> &'static str {
        self.file.as_ref().map_or(self.input.media_type.as_str(), |file| file.kind.as_str())
    }

    /// What its content hash is made of.
    pub(super) fn content(&self) -> &[u8] {
        self.file.as_ref().map_or(self.input.text.as_bytes(), |file| &file.bytes)
    }
}

#[expect(clippy::ref_option, reason = "garde hands over the field")]
fn optional_no_nul<C>(value: &Option<String>, _: &C) -> garde::Result {
    value.as_ref().map_or(Ok(()), |value| no_nul(value, &()))
}

/// An object of bounded size without NUL in any key or value.
pub(super) fn bounded_metadata<C>(fields: &Map<String, Value>, _: &C) -> garde::Result {
    fields_within(fields, METADATA_BYTES_MAX)
}
