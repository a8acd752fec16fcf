//! Target prices: what an owner expects of a symbol. What follows from them is computed when it is read.

use sea_orm::entity::prelude::*;

use super::position::PositionType;
use crate::ids::{PortfolioId, PositionId, TargetPriceId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "portfolio_target_prices")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TargetPriceId,
    /// Where.
    pub portfolio_id: PortfolioId,
    /// The lot it is about; none: every lot of the symbol.
    pub position_id: Option<PositionId>,
    /// Upper case.
    pub symbol: String,
    /// Of these lots; none: of all.
    pub position_type: Option<PositionType>,
    /// At the end of the year.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub target_price_eoy: Option<Decimal>,
    /// At the end of the next.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub target_price_next_year: Option<Decimal>,
    /// If it goes badly.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub downside_target_price: Option<Decimal>,
    /// The price the owner compared with; none: the last close.
    #[sea_orm(column_type = "Decimal(Some((20, 8)))", nullable)]
    pub current_price: Option<Decimal>,
    /// The owner's words.
    #[sea_orm(column_type = "Text", nullable)]
    pub analyst_notes: Option<String>,
    /// Where it is from.
    #[sea_orm(column_type = "Text", nullable)]
    pub data_source: Option<String>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
