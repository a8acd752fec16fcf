//! A source as it is shown.

use chrono::{DateTime, Utc};
use entity::ai::kb_source::Status;
use entity::core::job;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::CurrentUser;
use crate::knowledge::queries::Shown;

/// Whose a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceOwner {
    /// Yours.
    Own,
    /// Another user's, in a collection that is shared with you.
    User,
    /// Shared with your tenant by an administrator.
    Tenant,
    /// Shared with everybody by an administrator.
    Global,
}

/// How far a source is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SourceStatus {
    /// Waits for a worker.
    Queued,
    /// Is being cut and embedded.
    Processing,
    /// Its passages are found.
    Ready,
    /// Given up; `error` says why. `/retry`, or sending the text again, tries again.
    Failed,
}

/// A source of the knowledge base.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SourceBody {
    /// Key.
    pub id: Uuid,
    /// Your own id of the text.
    pub external_id: Option<String>,
    /// Whose it is; only your own, and as an administrator shared ones, can be changed.
    pub owner: SourceOwner,
    /// The collection it is in.
    pub collection_id: Option<Uuid>,
    /// What it is called.
    pub title: String,
    /// Its label.
    pub scope: String,
    /// How the text is written.
    pub media_type: String,
    /// How far it is. While a changed text is on its way, the old passages are found.
    pub status: SourceStatus,
    /// Passages.
    pub documents: i32,
    /// Its text, in bytes; 0 for a file that is not read yet.
    pub bytes: i64,
    /// How often its ingestion was begun; only while it is not done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<i32>,
    /// When its ingestion is tried again, after it could not be done; only while it waits for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_attempt_at: Option<DateTime<Utc>>,
    /// Where it was fetched from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Your own fields.
    #[schema(value_type = Object)]
    pub metadata: serde_json::Value,
    /// The job that ingests it.
    pub job_id: Option<Uuid>,
    /// How far that job is; only while it is not done, and only for one source.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// When it was first sent.
    pub created_at: DateTime<Utc>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// How far a job is, in sources.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Progress {
    /// Sources done.
    pub done: i64,
    /// Sources of the job.
    pub total: Option<i64>,
}

impl SourceOwner {
    pub(super) fn of(user: &CurrentUser, row: &Shown) -> Self {
        match (row.owner_id, row.tenant_id) {
            (Some(owner), _) if owner == user.id => Self::Own,
            (Some(_), _) => Self::User,
            (None, Some(_)) => Self::Tenant,
            (None, None) => Self::Global,
        }
    }
}

impl From<SourceStatus> for Status {
    fn from(status: SourceStatus) -> Self {
        match status {
            SourceStatus::Queued => Self::Queued,
            SourceStatus::Processing => Self::Processing,
            SourceStatus::Ready => Self::Ready,
            SourceStatus::Failed => Self::Failed,
        }
    }
}

impl From<Status> for SourceStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Queued => Self::Queued,
            Status::Processing => Self::Processing,
            Status::Ready => Self::Ready,
            Status::Failed => Self::Failed,
        }
    }
}

impl SourceBody {
    /// A source, and its job while that is not done.
    pub(super) fn of(user: &CurrentUser, row: Shown, job: Option<&job::Model>) -> Self {
        // A job that has not been begun waits for a worker, not for its time.
        let again = job.filter(|job| job.status == job::Status::Queued && job.attempts > 0);
        Self {
            id: row.id.0,
            owner: SourceOwner::of(user, &row),
            external_id: row.external_id,
            collection_id: row.collection_id.map(|id| id.0),
            title: row.title,
            scope: row.scope,
            media_type: row.media_type,
            status: row.status.into(),
            documents: row.documents,
            bytes: row.bytes,
            attempts: job.map(|job| job.attempts),
            next_attempt_at: again.map(|job| job.run_at),
            url: row.url,
            error: row.error,
            metadata: row.metadata,
            job_id: row.job_id.map(|id| id.0),
            progress: None,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
