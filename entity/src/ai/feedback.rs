//! Votes: one a user and message.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{ConversationId, FeedbackId, MessageId, UserId};

/// A vote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Rating {
    /// Helped.
    Up,
    /// Did not.
    Down,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_feedback")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: FeedbackId,
    /// The answer (core).
    pub message_id: MessageId,
    /// Its conversation (core).
    pub conversation_id: ConversationId,
    /// Who votes (core).
    pub user_id: UserId,
    /// The vote.
    pub rating: Rating,
    /// In the user's words.
    #[sea_orm(column_type = "Text", nullable)]
    pub comment: Option<String>,
    /// The answer as it should have been.
    #[sea_orm(column_type = "Text", nullable)]
    pub edited_text: Option<String>,
    /// Short labels.
    #[sea_orm(column_type = "JsonBinary")]
    pub tags: Json,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
