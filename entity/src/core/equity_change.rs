//! Capital that an owner put in or took out.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{EquityChangeId, PortfolioId, UserId};

/// In or out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum EquityChangeType {
    /// Capital that came in.
    #[sea_orm(string_value = "CONTRIBUTION")]
    #[serde(rename = "CONTRIBUTION")]
    Contribution,
    /// Capital that went out.
    #[sea_orm(string_value = "WITHDRAWAL")]
    #[serde(rename = "WITHDRAWAL")]
    Withdrawal,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "equity_changes")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: EquityChangeId,
    /// Where.
    pub portfolio_id: PortfolioId,
    /// In or out.
    pub change_type: EquityChangeType,
    /// How much, without sign, in the portfolio's currency.
    #[sea_orm(column_type = "Decimal(Some((20, 2)))")]
    pub amount: Decimal,
    /// When.
    pub change_date: Date,
    /// The owner's words.
    #[sea_orm(column_type = "Text", nullable)]
    pub notes: Option<String>,
    /// Who entered it.
    pub created_by_user_id: UserId,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
    /// When the owner deleted it.
    pub deleted_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
