//! What a turn has sent, in order.

use crate::ids::MessageId;
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message_events")]
pub struct Model {
    /// The assistant message.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    /// The event's id, from 1.
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i32,
    /// Event name.
    pub event: String,
    /// Event data.
    #[sea_orm(column_type = "JsonBinary")]
    pub data: Json,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
