//! Tickets that open one message's stream once; only their hashes.

use crate::ids::{MessageId, UserId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stream_tickets")]
pub struct Model {
    /// SHA-256 of the ticket.
    #[sea_orm(primary_key, auto_increment = false)]
    pub ticket_hash: Vec<u8>,
    /// Whom it authenticates.
    pub user_id: UserId,
    /// The message whose stream it opens.
    pub message_id: MessageId,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When it stops being accepted.
    pub expires_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
