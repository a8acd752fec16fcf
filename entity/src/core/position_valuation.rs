//! Valuations: what an owner says a lot without a market is worth.

use sea_orm::entity::prelude::*;

use crate::ids::PositionId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "position_valuations")]
pub struct Model {
    /// The lot.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position_id: PositionId,
    /// From this day on, until the next.
    #[sea_orm(primary_key, auto_increment = false)]
    pub valuation_date: Date,
    /// A unit, in the lot's currency.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))")]
    pub price: Decimal,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
