//! Rows whose other half is gone, of either database, until they are repaired.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_quarantine")]
pub struct Model {
    /// Table of the row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub table_name: String,
    /// What it lacks.
    #[sea_orm(primary_key, auto_increment = false)]
    pub reason: String,
    /// Key of the row.
    #[sea_orm(primary_key, auto_increment = false)]
    pub row_id: Uuid,
    /// When that was first seen.
    pub first_seen_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
