//! Receiving an import: as JSON, or as a file in `multipart/form-data`.

use axum::extract::{DefaultBodyLimit, FromRequest, Multipart, Request};
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::extract::json_bytes;
use crate::web::form;

/// Room for everything in a form that is not the file.
const REST_BYTES_MAX: usize = 256 * 1024;

/// A file to import.
#[derive(Debug, ToSchema)]
pub struct ImportUpload {
    /// JSON, or a zip that holds it; at most 50 MB.
    #[schema(value_type = String, format = Binary)]
    pub file: Vec<u8>,
}

/// An import as it came.
#[derive(Debug)]
pub struct Sent {
    pub(super) bytes: Bytes,
    /// Where it came from, for a refusal to name.
    pub(super) field: &'static str,
    /// Held as long as it is in memory.
    pub(super) slot: OwnedSemaphorePermit,
}

impl FromRequest<AppState> for Sent {
    type Rejection = Error;

    async fn from_request(request: Request, state: &AppState) -> Result<Self> {
        let slot = state.slots.upload().await?;
        let settings = &state.settings.files;
        let reading = async {
            if form::is_multipart(request.headers()) {
                Ok::<_, Error>((upload(request, state, settings.upload_limit_bytes).await?, "file"))
            } else {
                Ok::<_, Error>((json_bytes(request, state).await?, "body"))
            }
        };
        let (bytes, field) =
            tokio::time::timeout(settings.upload_timeout(), reading).await.map_err(|_| {
                let limit = settings.upload_timeout_s;
                Error::Malformed(format!("the import was not complete after {limit} seconds"))
            })??;
        Ok(Self { bytes, field, slot })
    }
}

/// The one file of a form.
async fn upload(mut request: Request, state: &AppState, limit_bytes: usize) -> Result<Bytes> {
    let most = limit_bytes.saturating_add(REST_BYTES_MAX);
    if form::announced(request.headers()).is_some_and(|length| length > most as u64) {
        return Err(Error::TooLarge { limit_bytes });
    }
    DefaultBodyLimit::max(most).apply(&mut request);
    let mut body = Multipart::from_request(request, state)
        .await
        .map_err(|_| Error::Malformed("the multipart body has no boundary in its Content-Type".to_owned()))?;
    let mut file = None;
    // No part comes twice, so there is never more than one.
    while let Some(part) = body.next_field().await.map_err(|error| form::unreadable(&error, limit_bytes))? {
        if part.name() != Some("file") || file.is_some() {
            return Err(Error::field("file", "send one part, named file"));
        }
        let bytes =
            form::gather(part, limit_bytes).await.map_err(|error| form::unreadable(&error, limit_bytes))?;
        file = Some(bytes.ok_or(Error::TooLarge { limit_bytes })?);
    }
    file.ok_or_else(|| Error::field("file", "is missing"))
}
