//! What a user's answers of a month took, and what running turns may take yet.

use sea_orm::entity::prelude::*;

use crate::ids::UserId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_months")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// Its first day, UTC.
    #[sea_orm(primary_key, auto_increment = false)]
    pub month: Date,
    /// Tokens used.
    pub used_tokens: i64,
    /// US dollars used.
    #[sea_orm(column_type = "Decimal(Some((18, 9)))")]
    pub used_cost: Decimal,
    /// Messages answered.
    pub used_messages: i64,
    /// Tokens running turns may take.
    pub reserved_tokens: i64,
    /// US dollars running turns may take.
    #[sea_orm(column_type = "Decimal(Some((18, 9)))")]
    pub reserved_cost: Decimal,
    /// Running turns.
    pub reserved_messages: i64,
}

impl ActiveModelBehavior for ActiveModel {}
