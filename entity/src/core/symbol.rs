//! Symbols that somebody holds, watches or imported.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "symbol_universe")]
pub struct Model {
    /// Upper case; a pair of currencies is `EUR/USD`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub symbol: String,
    /// `equity`, `etf`, `fund`, `option`, `index`, `fx` or `other`.
    pub asset_type: String,
    /// In which its prices are; none: not known, taken as the lot's.
    #[sea_orm(column_type = "Text", nullable)]
    pub currency: Option<String>,
    /// GICS sector.
    #[sea_orm(column_type = "Text", nullable)]
    pub sector: Option<String>,
    /// Finer than the sector.
    #[sea_orm(column_type = "Text", nullable)]
    pub industry: Option<String>,
    /// When it came.
    pub first_seen_date: Date,
    /// When somebody last held it.
    pub last_seen_date: Date,
    /// Prices are fetched for it.
    pub is_active: bool,
    /// Closes or events from this day on changed, and no batch has seen it yet.
    pub changed_from: Option<Date>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
