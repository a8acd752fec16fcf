//! Closes: each took something from a lot.

use sea_orm::entity::prelude::*;

use crate::ids::{PortfolioId, PositionId, RealizedEventId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "position_realized_events")]
pub struct Model {
    /// Key, UUIDv7; of an imported close UUIDv5.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: RealizedEventId,
    /// The lot.
    pub position_id: PositionId,
    /// Whose it is.
    pub portfolio_id: PortfolioId,
    /// When.
    pub trade_date: Date,
    /// How much, without sign, in units of the lot's entry (before later splits).
    #[sea_orm(column_type = "Decimal(Some((24, 8)))")]
    pub quantity_closed: Decimal,
    /// Paid or received for such a unit.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))")]
    pub price: Decimal,
    /// Proceeds less cost in the portfolio's currency; none while a rate of exchange is missing.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))", nullable)]
    pub realized_pnl: Option<Decimal>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
