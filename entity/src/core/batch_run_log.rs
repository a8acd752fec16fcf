//! What a run says of itself; at most 5,000 lines a run.

use sea_orm::entity::prelude::*;

use crate::ids::BatchRunId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "batch_run_logs")]
pub struct Model {
    /// The run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: BatchRunId,
    /// Number of the line.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i32,
    /// `info` or `warning`.
    pub level: String,
    /// The line.
    pub message: String,
    /// When.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
