//! Forms with files in them.

use axum::extract::multipart::{Field, MultipartError};
use axum::http::{HeaderMap, StatusCode, header};
use bytes::Bytes;

use crate::error::Error;

/// Whether a body is a form with files.
pub fn is_multipart(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    given.split(';').next().unwrap_or("").trim().eq_ignore_ascii_case("multipart/form-data")
}

/// The length in bytes that a body says it has.
pub fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A part's bytes; none when there are more than `most`.
pub async fn gather(mut field: Field<'_>, most: usize) -> Result<Option<Bytes>, MultipartError> {
    let mut bytes = Vec::new();
    while let Some(piece) = field.chunk().await? {
        if bytes.len() + piece.len() > most {
            return Ok(None);
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(Some(bytes.into()))
}

/// Why a form could not be read, whose files may have `limit_bytes` bytes.
pub fn unreadable(error: &MultipartError, limit_bytes: usize) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE {
        return Error::TooLarge { limit_bytes };
    }
    Error::Malformed(format!("the multipart body cannot be read: {}", error.body_text()))
}
