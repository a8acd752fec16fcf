//! Receiving a file: as the body itself, or in `multipart/form-data`.

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use axum::http::header;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use super::table::BYTES_MAX;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::form;

/// Room for everything in a form that is not the file.
const REST_BYTES_MAX: usize = 256 * 1024;
/// What a file may say it is.
const TYPES: [&str; 6] = [
    "text/csv",
    "application/csv",
    "text/plain",
    "text/tab-separated-values",
    "application/vnd.ms-excel",
    "application/json",
];

/// A file to import.
#[derive(Debug, ToSchema)]
pub struct PortfolioFile {
    /// CSV, or activities in JSON; at most 10 MB.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

/// A file as it came.
#[derive(Debug)]
pub struct Sent {
    pub(in crate::portfolio) bytes: Bytes,
    /// Held as long as it is in memory.
    pub(in crate::portfolio) slot: OwnedSemaphorePermit,
}

impl FromRequest<AppState> for Sent {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        let is_form = form::is_multipart(request.headers());
        if !is_form {
            require_type(&request)?;
        }
        if form::announced(request.headers())
            .is_some_and(|length| length > (BYTES_MAX + REST_BYTES_MAX) as u64)
        {
            return Err(Error::TooLarge { limit_bytes: BYTES_MAX });
        }
        let slot = state.slots.upload().await?;
        let settings = &state.settings.files;
        let reading =
            async { if is_form { upload(request, state).await } else { whole(request, state).await } };
        let bytes = tokio::time::timeout(settings.upload_timeout(), reading).await.map_err(|_| {
            let limit = settings.upload_timeout_s;
            Error::Malformed(format!("the file was not complete after {limit} seconds"))
        })??;
        if bytes.len() > BYTES_MAX {
            return Err(Error::TooLarge { limit_bytes: BYTES_MAX });
        }
        Ok(Self { bytes, slot })
    }
}

fn require_type(request: &Request) -> Result<()> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if TYPES.contains(&essence.as_str()) {
        return Ok(());
    }
    let said = "send the file as multipart/form-data, or as the body with Content-Type: text/csv";
    Err(Error::UnsupportedMediaType(said.to_owned()))
}

async fn whole(mut request: Request, state: &AppState) -> Result<Bytes> {
    DefaultBodyLimit::max(BYTES_MAX).apply(&mut request);
    Bytes::from_request(request, state).await.map_err(|_| Error::TooLarge { limit_bytes: BYTES_MAX })
}

/// The one file of a form.
async fn upload(mut request: Request, state: &AppState) -> Result<Bytes> {
    DefaultBodyLimit::max(BYTES_MAX + REST_BYTES_MAX).apply(&mut request);
    let mut body = Multipart::from_request(request, state)
        .await
        .map_err(|_| Error::Malformed("the multipart body has no boundary in its Content-Type".to_owned()))?;
    let mut file = None;
    // No part comes twice, so there is never more than one.
    while let Some(part) = body.next_field().await.map_err(|error| form::unreadable(&error, BYTES_MAX))? {
        if part.name() != Some("file") || file.is_some() {
            return Err(Error::field("file", "send one part, named file"));
        }
        let bytes =
            form::gather(part, BYTES_MAX).await.map_err(|error| form::unreadable(&error, BYTES_MAX))?;
        file = Some(bytes.ok_or(Error::TooLarge { limit_bytes: BYTES_MAX })?);
    }
    file.ok_or_else(|| Error::field("file", "is missing"))
}
