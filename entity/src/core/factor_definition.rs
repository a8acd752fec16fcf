//! Factors: what a beta is against.

use sea_orm::entity::prelude::*;

use crate::ids::FactorDefinitionId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "factor_definitions")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: FactorDefinitionId,
    /// Stable; names may change.
    pub code: String,
    /// For people.
    pub name: String,
    /// `market`, `rates`, `style` or `spread`.
    pub factor_type: String,
    /// `ols`, `ridge` or `provider`.
    pub calculation_method: String,
    /// Whose returns it is.
    pub long_symbol: String,
    /// Less those of this one; of spreads.
    #[sea_orm(column_type = "Text", nullable)]
    pub short_symbol: Option<String>,
    /// What it measures.
    pub description: String,
    /// Lower comes first.
    pub display_order: i32,
    /// It is computed.
    pub is_active: bool,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
