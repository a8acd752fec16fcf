//! Splits and dividends.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

/// What happened to a share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum CorporateActionKind {
    /// One became several, or several one.
    #[sea_orm(string_value = "split")]
    #[serde(rename = "split")]
    Split,
    /// Money was paid on each.
    #[sea_orm(string_value = "dividend")]
    #[serde(rename = "dividend")]
    Dividend,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "corporate_actions")]
pub struct Model {
    /// Upper case.
    #[sea_orm(primary_key, auto_increment = false)]
    pub symbol: String,
    /// From this day on prices are without it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ex_date: Date,
    /// What it is.
    #[sea_orm(primary_key, auto_increment = false)]
    pub kind: CorporateActionKind,
    /// Split: new units for an old one. Dividend: money a unit, in the symbol's currency.
    #[sea_orm(column_type = "Decimal(Some((24, 12)))")]
    pub value: Decimal,
    /// Where it is from.
    pub data_source: String,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
