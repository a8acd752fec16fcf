//! When batches run by themselves.

use sea_orm::entity::prelude::*;

use crate::ids::BatchScheduleId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "batch_job_schedules")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BatchScheduleId,
    /// Unique.
    pub job_name: String,
    /// What is done: `batch`.
    pub job_type: String,
    /// Minute, hour, day of month, month, day of week.
    pub cron_expression: String,
    /// IANA zone in which the expression is read.
    pub timezone: String,
    /// It runs.
    pub is_active: bool,
    /// For people.
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// When it last began a run.
    pub last_run_at: Option<DateTimeUtc>,
    /// When it begins the next; none: to be worked out.
    pub next_run_at: Option<DateTimeUtc>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
