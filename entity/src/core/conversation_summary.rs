//! Summaries of what was said before what a prompt can hold.

use crate::ids::{ConversationId, MessageId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversation_summaries")]
pub struct Model {
    /// Conversation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub conversation_id: ConversationId,
    /// The last message it tells of.
    pub through_id: MessageId,
    /// Its position.
    pub through_position: i32,
    /// A model's words.
    #[sea_orm(column_type = "Text")]
    pub content: String,
    /// When it was made.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
