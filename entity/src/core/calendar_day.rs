//! Days on which the exchange is open against the rule, or closed.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "trading_calendar")]
pub struct Model {
    /// `XNYS`: New York.
    #[sea_orm(primary_key, auto_increment = false)]
    pub exchange: String,
    /// The day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub date: Date,
    /// What it is, whatever the rule says.
    pub is_open: bool,
    /// Why.
    #[sea_orm(column_type = "Text", nullable)]
    pub note: Option<String>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
