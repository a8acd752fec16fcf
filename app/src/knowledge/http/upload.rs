//! Receiving a source: as JSON, or as a file in `multipart/form-data`.

use axum::extract::multipart::MultipartError;
use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use bytes::Bytes;
use serde_json::{Map, Value};
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::knowledge::source::{METADATA_BYTES_MAX, TITLE_CHARS_MAX};
use crate::knowledge::{FileContent, SourceInput, SourceRequest};
use crate::parse::{FileType, Hints};
use crate::state::AppState;
use crate::web::Json;
use crate::web::extract::validate;
use crate::web::form::{self, gather};

/// Room for everything in the body that is not the file.
const REST_BYTES_MAX: usize = 256 * 1024;
/// A character takes at most four bytes.
const TITLE_BYTES_MAX: usize = 4 * TITLE_CHARS_MAX;
/// Longest kept file name, in characters.
const FILENAME_CHARS_MAX: usize = 255;
const PARTS: &str = "file, title, external_id, scope, metadata, media_type";

/// A file for the knowledge base.
#[derive(Debug, ToSchema)]
pub struct FileUpload {
    /// The file, at most 50 MB: text, Markdown, HTML, PDF, DOCX, XLSX, CSV, JSON, JSON lines, EML or EPUB.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
    /// What it is called; without one, what the file calls itself, or its name.
    #[schema(min_length = 1, max_length = 500)]
    pub title: Option<String>,
    /// Your own id of the file, at most 500 characters. The same id again replaces the file.
    #[schema(min_length = 1, max_length = 500)]
    pub external_id: Option<String>,
    /// Free label, at most 100 characters; `user` without one.
    #[schema(min_length = 1, max_length = 100)]
    pub scope: Option<String>,
    /// Your own fields, a JSON object of at most 32 KiB.
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Value>,
    /// What it is to be read as, when neither name nor content tells.
    pub media_type: Option<String>,
}

/// What came: a text, or a file.
#[derive(Debug)]
pub struct Sent {
    pub(super) input: SourceInput,
    pub(super) file: Option<FileContent>,
    /// Held as long as the file is in memory.
    pub(super) slot: Option<OwnedSemaphorePermit>,
}

impl FromRequest<AppState> for Sent {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        if form::is_multipart(request.headers()) {
            return receive(request, state).await;
        }
        let Json(sent) =
            Json::<SourceRequest>::from_request(request, state).await.map_err(|error| match error {
                Error::UnsupportedMediaType(said) => {
                    Error::UnsupportedMediaType(format!("{said}; a file comes as multipart/form-data"))
                }
                other => other,
            })?;
        let (input, file) = sent.read(&state.settings.files)?;
        Ok(Self { input, file, slot: None })
    }
}

/// Reads an upload within its time, when few enough others are under way.
async fn receive(mut request: Request, state: &AppState) -> Result<Sent> {
    let settings = &state.settings.files;
    let limit_bytes = settings.upload_limit_bytes;
    let most = limit_bytes.saturating_add(REST_BYTES_MAX);
    if form::announced(request.headers()).is_some_and(|length| length > most as u64) {
        return Err(Error::TooLarge { limit_bytes });
    }
    let slot = state.slots.upload().await?;
    DefaultBodyLimit::max(most).apply(&mut request);
    let body = Multipart::from_request(request, state)
        .await
        .map_err(|_| Error::Malformed("the multipart body has no boundary in its Content-Type".to_owned()))?;
    let reading = tokio::time::timeout(settings.upload_timeout(), read(body, limit_bytes));
    let parts = reading.await.map_err(|_| {
        let limit = settings.upload_timeout_s;
        Error::Malformed(format!("the upload was not complete after {limit} seconds"))
    })??;
    let (input, file) = parts.finish()?;
    Ok(Sent { input, file: Some(file), slot: Some(slot) })
}

/// The parts of an upload.
#[derive(Debug, Default)]
struct Parts {
    file: Option<Bytes>,
    filename: Option<String>,
    content_type: Option<String>,
    title: Option<String>,
    external_id: Option<String>,
    scope: Option<String>,
    metadata: Option<String>,
    media_type: Option<String>,
}

async fn read(mut body: Multipart, limit_bytes: usize) -> Result<Parts> {
    let unreadable = |error: MultipartError| form::unreadable(&error, limit_bytes);
    let mut parts = Parts::default();
    // No part comes twice, so there are never more than there are names.
    while let Some(field) = body.next_field().await.map_err(unreadable)? {
        let name = field.name().unwrap_or_default().chars().take(100).collect::<String>();
        if name == "file" {
            once("file", parts.file.is_some())?;
            parts.filename = field.file_name().and_then(base_name);
            parts.content_type = field.content_type().map(str::to_owned);
            let bytes = gather(field, limit_bytes).await.map_err(unreadable)?;
            parts.file = Some(bytes.ok_or(Error::TooLarge { limit_bytes })?);
            continue;
        }
        let (name, value, most): (&'static str, _, _) = match name.as_str() {
            "title" => ("title", &mut parts.title, TITLE_BYTES_MAX),
            "external_id" => ("external_id", &mut parts.external_id, TITLE_BYTES_MAX),
            "scope" => ("scope", &mut parts.scope, TITLE_BYTES_MAX),
            "metadata" => ("metadata", &mut parts.metadata, 2 * METADATA_BYTES_MAX),
            "media_type" => ("media_type", &mut parts.media_type, TITLE_BYTES_MAX),
            _ => return Err(Error::field(name, format!("unknown part, expected one of {PARTS}"))),
        };
        once(name, value.is_some())?;
        let bytes = gather(field, most).await.map_err(unreadable)?;
        let bytes = bytes.ok_or_else(|| Error::field(name, format!("has more than {most} bytes")))?;
        let text = String::from_utf8(bytes.into()).map_err(|_| Error::field(name, "must be UTF-8"))?;
        *value = Some(text);
    }
    Ok(parts)
}

fn once(name: &'static str, is_there: bool) -> Result<()> {
    if is_there {
        return Err(Error::field(name, "comes more than once; send one file a request"));
    }
    Ok(())
}

/// A file's name without the folders some programs put before it.
fn base_name(given: &str) -> Option<String> {
    let last = given.rsplit(['/', '\\']).next().unwrap_or(given);
    let name: String = last.chars().filter(|letter| !letter.is_control()).take(FILENAME_CHARS_MAX).collect();
    let name = name.trim();
    (!name.is_empty() && name != "." && name != "..").then(|| name.to_owned())
}

/// A name without what it ends with.
fn stem(name: &str) -> &str {
    match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    }
}

impl Parts {
    /// Checks what came by the rules for texts.
    fn finish(self) -> Result<(SourceInput, FileContent)> {
        let bytes = self.file.ok_or_else(|| Error::field("file", "is missing"))?;
        if bytes.is_empty() {
            return Err(Error::field("file", "is empty"));
        }
        let titled = self.title.is_some();
        let named = self.filename.as_deref().map(|name| stem(name).to_owned());
        let title = self
            .title
            .or(named)
            .ok_or_else(|| Error::field("title", "is missing, and the file has no name"))?;
        let metadata = self.metadata.as_deref().map_or(Ok(Map::new()), |json| {
            serde_json::from_str(json)
                .map_err(|error| Error::field("metadata", format!("must be a JSON object: {error}")))
        })?;
        let hints = Hints {
            media_type: self.media_type.as_deref(),
            file_name: self.filename.as_deref(),
            content_type: self.content_type.as_deref(),
        };
        let input = SourceInput {
            title,
            text: String::new(),
            external_id: self.external_id,
            scope: self.scope,
            metadata,
            media_type: crate::knowledge::MediaType::default(),
        };
        validate(&input)?;
        let kind = FileType::detect(hints, &bytes).ok_or_else(|| {
            let supported = FileType::supported();
            Error::UnsupportedMediaType(format!(
                "this kind of file cannot be read; supported are {supported}"
            ))
        })?;
        Ok((input, FileContent { bytes, kind, filename: self.filename, titled, url: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_lose_their_folders() {
        assert_eq!(base_name("../../etc/passwd").as_deref(), Some("passwd"));
        assert_eq!(base_name("C:\\Users\\me\\Q3 report.pdf").as_deref(), Some("Q3 report.pdf"));
        assert_eq!(base_name("a\0b\n.txt").as_deref(), Some("ab.txt"));
        assert_eq!(base_name(".."), None);
        assert_eq!(base_name("folder/"), None);
        assert_eq!(stem("report.final.pdf"), "report.final");
        assert_eq!(stem(".pdf"), ".pdf");
    }
}
