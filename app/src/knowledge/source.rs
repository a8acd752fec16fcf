//! What a caller gives, and when it is refused.

use bytes::Bytes;
use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use url::Url;
use utoipa::ToSchema;

use super::chunk::MediaType;
use crate::auth::{CurrentUser, Ownership};
use crate::config;
use crate::error::{Error, Result};
use crate::parse::FileType;
use crate::web::fetch;
use crate::web::text::{fields_within, no_nul, not_blank};

/// Longest text of a source, in characters.
pub(super) const TEXT_CHARS_MAX: usize = 8_000_000;
/// Longest title, in characters.
pub(super) const TITLE_CHARS_MAX: usize = 500;
/// Largest metadata, in bytes of JSON.
pub(super) const METADATA_BYTES_MAX: usize = 32 * 1024;
/// The label of a user's own sources without one.
pub(super) const OWN_SCOPE: &str = "user";

/// What is sent to the knowledge base: a text, or an address that it is fetched from.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceRequest {
    /// What it is called; 1 to 500 characters. Only what is fetched may go without: it is called what it calls itself.
    #[serde(default)]
    #[garde(length(chars, max = TITLE_CHARS_MAX), custom(optional_not_blank))]
    #[schema(min_length = 1, max_length = 500)]
    pub title: Option<String>,
    /// The text; at most 8,000,000 characters. A blank text is skipped.
    #[serde(default)]
    #[garde(length(chars, max = TEXT_CHARS_MAX), custom(optional_no_nul))]
    #[schema(max_length = 8_000_000)]
    pub text: Option<String>,
    /// In place of the text, where it is: a public http or https address of a page or file. Sent again, it is fetched again.
    #[serde(default)]
    #[garde(length(chars, min = 1, max = 2000), custom(optional_no_nul))]
    #[schema(min_length = 1, max_length = 2000)]
    pub url: Option<String>,
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
    /// How the text is written. Of what is fetched, the answer says it.
    #[serde(default)]
    #[garde(skip)]
    pub media_type: MediaType,
}

impl SourceRequest {
    /// The text that was sent, or the one that is still to be fetched, as a blank one.
    pub(super) fn read(self, files: &config::Files) -> Result<(SourceInput, Option<FileContent>)> {
        let (text, file) = match (self.text, self.url) {
            (Some(text), None) => (text, None),
            (None, Some(url)) => {
                let url = fetch::checked(&url, files).map_err(|why| Error::field("url", why))?;
                (String::new(), Some(FileContent::at(&url, self.title.is_some())))
            }
            (Some(_), Some(_)) => {
                return Err(Error::field("url", "comes in place of a text; send one of the two"));
            }
            (None, None) => {
                return Err(Error::field("text", "is missing; send a text, or a url in its place"));
            }
        };
        let address = file.as_ref().and_then(|file| file.url.as_deref());
        let title = self.title.or_else(|| address.map(|url| url.chars().take(TITLE_CHARS_MAX).collect()));
        let title = title.ok_or_else(|| Error::field("title", "is missing"))?;
        let Self { external_id, scope, metadata, media_type, .. } = self;
        Ok((SourceInput { title, text, external_id, scope, metadata, media_type }, file))
    }
}

/// A text for the knowledge base.
#[derive(Clone, Debug, Validate)]
pub struct SourceInput {
    /// What it is called; 1 to 500 characters.
    #[garde(length(chars, max = TITLE_CHARS_MAX), custom(not_blank))]
    pub title: String,
    /// The text; at most 8,000,000 characters. A blank text is skipped.
    #[garde(length(chars, max = TEXT_CHARS_MAX), custom(no_nul))]
    pub text: String,
    /// Your own id of the text, at most 500 characters. The same id again replaces the text.
    #[garde(length(chars, min = 1, max = 500), custom(optional_no_nul))]
    pub external_id: Option<String>,
    /// Free label, at most 100 characters; `user` without one. `global` and `tenant:<id>` share the text and are for administrators.
    #[garde(length(chars, min = 1, max = 100), custom(optional_no_nul))]
    pub scope: Option<String>,
    /// Your own fields, at most 32 KiB of JSON. Searches can filter on them.
    #[garde(custom(bounded_metadata))]
    pub metadata: Map<String, Value>,
    /// How the text is written.
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
    /// Where it is to be fetched from, in place of the bytes.
    pub url: Option<String>,
}

impl FileContent {
    /// What is still to be fetched. Its kind is a first guess.
    fn at(url: &Url, titled: bool) -> Self {
        Self {
            bytes: Bytes::new(),
            kind: FileType::Html,
            filename: None,
            titled,
            url: Some(url.as_str().to_owned()),
        }
    }
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

    /// Where it is to be fetched from.
    pub(super) fn url(&self) -> Option<&str> {
        self.file.as_ref()?.url.as_deref()
    }
}

#[expect(clippy::ref_option, reason = "garde hands over the field")]
fn optional_no_nul<C>(value: &Option<String>, _: &C) -> garde::Result {
    value.as_ref().map_or(Ok(()), |value| no_nul(value, &()))
}

#[expect(clippy::ref_option, reason = "garde hands over the field")]
fn optional_not_blank<C>(value: &Option<String>, _: &C) -> garde::Result {
    value.as_ref().map_or(Ok(()), |value| not_blank(value, &()))
}

/// An object of bounded size without NUL in any key or value.
pub(super) fn bounded_metadata<C>(fields: &Map<String, Value>, _: &C) -> garde::Result {
    fields_within(fields, METADATA_BYTES_MAX)
}
