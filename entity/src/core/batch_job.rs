//! Phases of runs.

use sea_orm::entity::prelude::*;

use super::batch_run::BatchStatus;
use crate::ids::{BatchJobId, BatchRunId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "batch_jobs")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BatchJobId,
    /// The run.
    pub run_id: BatchRunId,
    /// The phase.
    pub job_name: String,
    /// How far it is.
    pub status: BatchStatus,
    /// Rows written.
    pub records_processed: i64,
    /// Why it failed.
    #[sea_orm(column_type = "Text", nullable)]
    pub error_message: Option<String>,
    /// What else is to be said of it.
    #[sea_orm(column_type = "JsonBinary")]
    pub job_metadata: Json,
    /// Start.
    pub started_at: Option<DateTimeUtc>,
    /// End.
    pub completed_at: Option<DateTimeUtc>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
