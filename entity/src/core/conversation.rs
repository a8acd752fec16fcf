//! Conversations.

use crate::ids::{CharacterId, ConversationId, MessageId, PersonaId, UserId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversations")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ConversationId,
    /// Owner.
    pub user_id: UserId,
    /// Given by the user, or made of the first turn.
    pub title: Option<String>,
    /// The model that answers; none: the configured one.
    pub model: Option<String>,
    /// Whom it is with.
    pub character_id: Option<CharacterId>,
    /// Who the user is in it.
    pub persona_id: Option<PersonaId>,
    /// The last `ui_context`.
    #[sea_orm(column_type = "JsonBinary")]
    pub metadata: Json,
    /// The last message of the active path; none says the newest message.
    pub active_message_id: Option<MessageId>,
    /// Higher than that of every conversation before, those of the same id among them.
    pub generation: i64,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
    /// Its messages.
    #[sea_orm(has_many)]
    pub messages: HasMany<super::message::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
