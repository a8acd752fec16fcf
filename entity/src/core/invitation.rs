//! Invitations to register; only the hashes of their tokens.

use super::user::Role;
use crate::ids::{InvitationId, UserId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "invitations")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: InvitationId,
    /// SHA-256 of the token.
    #[sea_orm(unique)]
    pub token_hash: Vec<u8>,
    /// The only address it is for, in lower case; none means any.
    pub email: Option<String>,
    /// What the new account may do.
    pub role: Role,
    /// The administrator who gave it.
    pub invited_by: UserId,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When it stops being accepted.
    pub expires_at: DateTimeUtc,
    /// When it was used.
    pub accepted_at: Option<DateTimeUtc>,
    /// The account it made.
    pub accepted_by: Option<UserId>,
}

impl ActiveModelBehavior for ActiveModel {}
