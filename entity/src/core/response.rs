//! What a client of `/v1/responses` asked; the answer itself is the message.

use sea_orm::entity::prelude::*;

use crate::ids::MessageId;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "responses")]
pub struct Model {
    /// The answer.
    #[sea_orm(primary_key, auto_increment = false)]
    pub message_id: MessageId,
    /// What the client is told again of its request: an object.
    #[sea_orm(column_type = "JsonBinary")]
    pub request: Json,
    /// What it gave: a list of items.
    #[sea_orm(column_type = "JsonBinary")]
    pub input: Json,
    /// The client's own tools that the model called: `{id, name, arguments}`.
    #[sea_orm(column_type = "JsonBinary")]
    pub calls: Json,
    /// Why the provider ended the answer early: `length` or `content_filter`.
    pub cut: Option<String>,
}

impl ActiveModelBehavior for ActiveModel {}
