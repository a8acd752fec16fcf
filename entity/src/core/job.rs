//! The job queue.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{JobId, UserId};

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Waits for its time and a worker.
    Queued,
    /// A worker holds its lease.
    Running,
    /// Done.
    Succeeded,
    /// Given up.
    Failed,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: JobId,
    /// Which handler runs it.
    pub kind: String,
    /// Its input.
    #[sea_orm(column_type = "JsonBinary")]
    pub payload: Json,
    /// Who asked for it.
    pub user_id: Option<UserId>,
    /// How far it is.
    pub status: Status,
    /// Higher runs first.
    pub priority: i16,
    /// Times it was started.
    pub attempts: i32,
    /// Times it may be started.
    pub attempts_max: i32,
    /// Not before.
    pub run_at: DateTimeUtc,
    /// The run that holds it.
    pub lease_owner: Option<Uuid>,
    /// Until when, by the database's clock.
    pub lease_expires_at: Option<DateTimeUtc>,
    /// Units done.
    pub progress_done: i64,
    /// Units in all.
    pub progress_total: Option<i64>,
    /// The last failure.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// First start.
    pub started_at: Option<DateTimeUtc>,
    /// End.
    pub finished_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
