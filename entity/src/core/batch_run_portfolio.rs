//! Portfolios that a run is done with: whoever takes the run over goes on with the others.

use sea_orm::entity::prelude::*;

use crate::ids::{BatchRunId, PortfolioId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "batch_run_portfolios")]
pub struct Model {
    /// The run.
    #[sea_orm(primary_key, auto_increment = false)]
    pub run_id: BatchRunId,
    /// The portfolio.
    #[sea_orm(primary_key, auto_increment = false)]
    pub portfolio_id: PortfolioId,
    /// Why it could not be done; none: it was.
    #[sea_orm(column_type = "Text", nullable)]
    pub error: Option<String>,
    /// When.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
