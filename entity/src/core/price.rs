//! Prices of a day, as they were paid: splits and dividends are rows of their own.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "market_data_cache")]
pub struct Model {
    /// Upper case; a pair of currencies is `EUR/USD`: dollars a euro.
    #[sea_orm(primary_key, auto_increment = false)]
    pub symbol: String,
    /// Trading day.
    #[sea_orm(primary_key, auto_increment = false)]
    pub date: Date,
    /// First price.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub open: Option<Decimal>,
    /// Highest price.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub high: Option<Decimal>,
    /// Lowest price.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub low: Option<Decimal>,
    /// Last price.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))")]
    pub close: Decimal,
    /// Units traded.
    pub volume: Option<i64>,
    /// Where it is from.
    pub data_source: String,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
