//! Sending texts.

use axum::extract::State;
use axum::http::StatusCode;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use super::SourceStatus;
use super::upload::{FileUpload, Sent};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::knowledge::accept::{self, Accepted, Skipped};
use crate::knowledge::{Offer, SourceRequest};
use crate::state::AppState;
use crate::web::{Json, Problems, extract};

/// Up to 500 texts.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceBatch {
    /// The texts; 1 to 500. Each is checked for itself.
    #[garde(length(min = 1, max = accept::BATCH_MAX))]
    #[schema(value_type = Vec<SourceRequest>, min_items = 1, max_items = 500)]
    pub items: Vec<Value>,
}

/// What became of a text.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct AcceptedBody {
    /// The source; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// How far the source is; `skipped` or `rejected` when there is none.
    pub status: AcceptedStatus,
    /// The job that ingests it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_id: Option<Uuid>,
    /// Why nothing was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skipped: Option<Skipped>,
}

/// How far a text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum AcceptedStatus {
    /// Waits for a worker.
    Queued,
    /// Is being cut and embedded.
    Processing,
    /// Was there already.
    Ready,
    /// Nothing was done; `skipped` says why.
    Skipped,
    /// It is wrong; `error` says why.
    Rejected,
}

/// What became of the texts of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchBody {
    /// One entry a text, in the same order.
    pub items: Vec<BatchItem>,
}

/// What became of a text of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BatchItem {
    /// Your own id of the text.
    pub external_id: Option<String>,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: AcceptedBody,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<ItemError>,
}

/// What is wrong with a text of a batch.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ItemError {
    /// For a program to read.
    pub code: &'static str,
    /// The wrong field.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// For a developer to read.
    pub message: String,
}

/// Sends a text, a file, or an address.
///
/// A text comes as JSON, a file (text, Markdown, HTML, PDF, DOCX, XLSX, CSV,
/// JSON, JSON lines, EML or EPUB) as `multipart/form-data`, and in place of a
/// text a `url`, from which it is fetched. It is fetched, read, cut and
/// embedded in the background. The same `external_id` with another text or file
/// replaces; the same one again changes nothing, but an address is fetched
/// again. What cannot be fetched or read fails its source, which says why.
#[utoipa::path(
    post,
    path = "/knowledge/sources",
    tag = "knowledge",
    request_body(content((SourceRequest = "application/json"), (FileUpload = "multipart/form-data"))),
    responses((status = 202, description = "It is on its way.", body = AcceptedBody), Problems)
)]
pub async fn create_source(
    State(state): State<AppState>,
    user: CurrentUser,
    sent: Sent,
) -> Result<(StatusCode, Json<AcceptedBody>)> {
    let Sent { input, file, slot } = sent;
    let offer = Offer { file, ..Offer::by(&user, input)? };
    let mut accepted = accept::accept(&state, Some(user.id), vec![offer]).await?;
    drop(slot);
    let accepted = accepted.pop().ok_or(Error::NotFound("source"))?;
    Ok((StatusCode::ACCEPTED, Json(accepted.into())))
}

/// Sends up to 500 texts.
///
/// They are independent: what is wrong with one is said in its place. Where
/// two have the same id, the last one counts.
#[utoipa::path(
    post,
    path = "/knowledge/sources/batch",
    tag = "knowledge",
    request_body = SourceBatch,
    responses((status = 202, description = "What became of each.", body = BatchBody), Problems)
)]
pub async fn create_sources(
    State(state): State<AppState>,
    user: CurrentUser,
    Json(batch): Json<SourceBatch>,
) -> Result<(StatusCode, Json<BatchBody>)> {
    let mut items = Vec::with_capacity(batch.items.len());
    let mut offers = Vec::with_capacity(batch.items.len());
    let mut places = Vec::with_capacity(batch.items.len());
    for (place, value) in batch.items.into_iter().enumerate() {
        let external_id = value.get("external_id").and_then(Value::as_str).map(str::to_owned);
        let error = match checked(&state, &user, value) {
            Ok(offer) => {
                offers.push(offer);
                places.push(place);
                None
            }
            Err(error) => Some(ItemError::from(&error)),
        };
        items.push(BatchItem { external_id, outcome: AcceptedBody::REJECTED, error });
    }
    let accepted = accept::accept(&state, Some(user.id), offers).await?;
    for (place, accepted) in places.into_iter().zip(accepted) {
        items[place].outcome = accepted.into();
    }
    Ok((StatusCode::ACCEPTED, Json(BatchBody { items })))
}

fn checked(state: &AppState, user: &CurrentUser, value: Value) -> Result<Offer> {
    let (input, file) = extract::checked::<SourceRequest>(value)?.read(&state.settings.files)?;
    Ok(Offer { file, ..Offer::by(user, input)? })
}

impl AcceptedBody {
    const REJECTED: Self = Self { id: None, status: AcceptedStatus::Rejected, job_id: None, skipped: None };
}

impl From<Accepted> for AcceptedBody {
    fn from(accepted: Accepted) -> Self {
        Self {
            id: accepted.id.map(|id| id.0),
            status: match accepted.status.map(SourceStatus::from) {
                Some(SourceStatus::Queued) => AcceptedStatus::Queued,
                Some(SourceStatus::Processing) => AcceptedStatus::Processing,
                Some(SourceStatus::Ready) => AcceptedStatus::Ready,
                Some(SourceStatus::Failed) | None => AcceptedStatus::Skipped,
            },
            job_id: accepted.job_id.map(|id| id.0),
            skipped: accepted.skipped,
        }
    }
}

impl From<&Error> for ItemError {
    fn from(error: &Error) -> Self {
        let (field, message) = match error {
            Error::Invalid(errors) => match errors.first() {
                Some(first) => (Some(first.field.clone()), first.message.clone()),
                None => (None, error.to_string()),
            },
            Error::Forbidden { .. } => (Some("scope".to_owned()), error.to_string()),
            _ => (None, error.to_string()),
        };
        Self { code: error.code(), field, message }
    }
}
