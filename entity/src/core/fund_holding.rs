//! What funds hold.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "fund_holdings")]
pub struct Model {
    /// The fund.
    #[sea_orm(primary_key, auto_increment = false)]
    pub fund_symbol: String,
    /// What it holds.
    #[sea_orm(primary_key, auto_increment = false)]
    pub holding_symbol: String,
    /// As of.
    #[sea_orm(primary_key, auto_increment = false)]
    pub last_updated: Date,
    /// Name of what it holds.
    #[sea_orm(column_type = "Text", nullable)]
    pub holding_name: Option<String>,
    /// Share of the fund, 0 to 1.
    pub weight: f64,
    /// Units.
    #[sea_orm(column_type = "Decimal(Some((24, 8)))", nullable)]
    pub shares: Option<Decimal>,
    /// Their value.
    #[sea_orm(column_type = "Decimal(Some((24, 2)))", nullable)]
    pub market_value: Option<Decimal>,
    /// Where it is from.
    pub data_source: String,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
