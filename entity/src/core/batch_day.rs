//! Trading days and what is done of each, over all portfolios.

use sea_orm::entity::prelude::*;

use crate::ids::BatchRunId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "batch_run_tracking")]
pub struct Model {
    /// The trading day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_date: Date,
    /// The run that did it last.
    pub run_id: Option<BatchRunId>,
    /// Phase prices: `completed` or `failed`.
    #[sea_orm(column_type = "Text", nullable)]
    pub prices_status: Option<String>,
    /// Phase valuation; of the last day of a run only.
    #[sea_orm(column_type = "Text", nullable)]
    pub valuation_status: Option<String>,
    /// Phase snapshots.
    #[sea_orm(column_type = "Text", nullable)]
    pub snapshots_status: Option<String>,
    /// Portfolios with a snapshot of the day.
    pub portfolios_processed: i32,
    /// Symbols with a close of the day.
    pub symbols_fetched: i32,
    /// The share of the open lots with a market that had a close of the day.
    pub data_coverage: Option<f64>,
    /// Why a phase failed.
    #[sea_orm(column_type = "Text", nullable)]
    pub error_message: Option<String>,
    /// When every phase was done; none: it is not.
    pub completed_at: Option<DateTimeUtc>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
