//! Messages; an assistant row is written by its turn, under a lease.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{ConversationId, MessageId};

/// Who says a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The user.
    User,
    /// The application.
    Assistant,
}

/// How far a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// A turn is writing it.
    Streaming,
    /// Final.
    Complete,
    /// Ended by an error; `content` holds what came before.
    Failed,
    /// Ended by the user.
    Cancelled,
    /// Its turn died; the lease ran out.
    Interrupted,
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: MessageId,
    /// Conversation.
    pub conversation_id: ConversationId,
    /// The message it answers or follows.
    pub parent_id: Option<MessageId>,
    /// Order within the conversation, from 1.
    pub position: i32,
    /// Who says it.
    pub role: Role,
    /// How far it is.
    pub status: Status,
    /// Text, final unless streaming.
    #[sea_orm(column_type = "Text")]
    pub content: String,
    /// What the user was looking at.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub ui_context: Option<Json>,
    /// `model` or `extractive`.
    pub mode: Option<String>,
    /// It comes from a file that was imported.
    pub imported: bool,
    /// Model that answered.
    pub model: Option<String>,
    /// Ids of the memories in the prompt.
    #[sea_orm(column_type = "JsonBinary")]
    pub memories: Json,
    /// Tools the model called, in order, and what came of it: ids, not words.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub tool_calls: Option<Json>,
    /// As the provider counted.
    pub prompt_tokens: Option<i32>,
    /// As the provider counted.
    pub completion_tokens: Option<i32>,
    /// As the provider counted.
    pub total_tokens: Option<i32>,
    /// Of the prompt, what the provider had cached.
    pub cached_prompt_tokens: Option<i32>,
    /// Of the answer, what was thought and not said.
    pub reasoning_tokens: Option<i32>,
    /// From the request to the first token.
    pub first_token_ms: Option<i32>,
    /// From the request to the end.
    pub latency_ms: Option<i32>,
    /// Why it failed: code and detail.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub error: Option<Json>,
    /// Turn that writes it.
    pub lease_owner: Option<Uuid>,
    /// Until when, by the database's clock.
    pub lease_expires_at: Option<DateTimeUtc>,
    /// When its user asked to end it.
    pub cancel_requested_at: Option<DateTimeUtc>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When it left `streaming`.
    pub completed_at: Option<DateTimeUtc>,
    /// Its conversation.
    #[sea_orm(belongs_to, from = "conversation_id", to = "id")]
    pub conversation: BelongsTo<super::conversation::Entity>,
    /// Its citations.
    #[sea_orm(has_many)]
    pub citations: HasMany<super::citation::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
