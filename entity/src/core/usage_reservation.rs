//! What one running turn may take of its user's quota.

use sea_orm::entity::prelude::*;

use crate::ids::{MessageId, UserId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_reservations")]
pub struct Model {
    /// The answer it is for, or a call that is no message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    /// Whose quota.
    pub user_id: UserId,
    /// Of which month.
    pub month: Date,
    /// Tokens.
    pub tokens: i64,
    /// US dollars.
    #[sea_orm(column_type = "Decimal(Some((18, 9)))")]
    pub cost: Decimal,
    /// Messages: 1, or 0 for an embedding.
    pub messages: i16,
    /// Until when a call that is no message may run; none: as long as the message is written.
    pub expires_at: Option<DateTimeUtc>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
