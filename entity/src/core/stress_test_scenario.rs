//! Stress scenarios: shocks of factors.

use sea_orm::entity::prelude::*;

use crate::ids::StressScenarioId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stress_test_scenarios")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: StressScenarioId,
    /// Stable; names may change.
    pub scenario_id: String,
    /// For people.
    pub name: String,
    /// What happens in it.
    pub description: String,
    /// `base`, `market`, `rates`, `rotation`, `volatility` or `historical`.
    pub category: String,
    /// `mild`, `moderate`, `severe` or `extreme`.
    pub severity: String,
    /// Shock by code of a factor: returns as fractions, rates in basis points.
    #[sea_orm(column_type = "JsonBinary")]
    pub shock_config: Json,
    /// It is computed.
    pub is_active: bool,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
