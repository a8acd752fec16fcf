//! A user's own limits.

use sea_orm::entity::prelude::*;

use crate::ids::UserId;

/// A row; what is none is the server's, what is 0 is no limit.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_quotas")]
pub struct Model {
    /// Whose.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// Tokens a month.
    pub monthly_tokens: Option<i64>,
    /// US dollars a month.
    #[sea_orm(column_type = "Decimal(Some((18, 9)))", nullable)]
    pub monthly_cost_usd: Option<Decimal>,
    /// Messages a month.
    pub monthly_messages: Option<i64>,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
