//! Runs of the batch.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{BatchRunId, PortfolioId};

/// How far a run or a phase is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum BatchStatus {
    /// Waits.
    #[sea_orm(string_value = "queued")]
    #[serde(rename = "queued")]
    Queued,
    /// A process holds its lease.
    #[sea_orm(string_value = "running")]
    #[serde(rename = "running")]
    Running,
    /// Done.
    #[sea_orm(string_value = "completed")]
    #[serde(rename = "completed")]
    Completed,
    /// Given up.
    #[sea_orm(string_value = "failed")]
    #[serde(rename = "failed")]
    Failed,
    /// Called off.
    #[sea_orm(string_value = "cancelled")]
    #[serde(rename = "cancelled")]
    Cancelled,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "batch_run_history")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: BatchRunId,
    /// `cli`, `schedule`, `user` or an administrator's address.
    pub triggered_by: String,
    /// How far it is.
    pub status: BatchStatus,
    /// Only this one; none: all.
    pub portfolio_id: Option<PortfolioId>,
    /// First day asked for; none: what is missing.
    pub from_date: Option<Date>,
    /// Last day asked for; none: the last trading day.
    pub to_date: Option<Date>,
    /// Days that are complete are computed again.
    pub force: bool,
    /// Only prices are fetched, nothing is computed.
    pub prices_only: bool,
    /// What it does now.
    #[sea_orm(column_type = "Text", nullable)]
    pub phase: Option<String>,
    /// Portfolios.
    pub total_jobs: i32,
    /// Of these, done.
    pub completed_jobs: i32,
    /// Of these, failed.
    pub failed_jobs: i32,
    /// Milliseconds by phase.
    #[sea_orm(column_type = "JsonBinary")]
    pub phase_durations: Json,
    /// What failed, by phase.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub error_summary: Option<Json>,
    /// The process that runs it.
    pub lease_owner: Option<Uuid>,
    /// Until when, by the database's clock.
    pub lease_expires_at: Option<DateTimeUtc>,
    /// Times it was taken.
    pub attempts: i32,
    /// When it was asked for.
    pub created_at: DateTimeUtc,
    /// First start.
    pub started_at: Option<DateTimeUtc>,
    /// End.
    pub completed_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
