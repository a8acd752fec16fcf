//! API keys; only their hashes.

use crate::ids::{ApiKeyId, UserId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_keys")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: ApiKeyId,
    /// Whom it acts for.
    pub user_id: UserId,
    /// Given by the user.
    pub name: String,
    /// Its first characters, to recognise it by.
    pub prefix: String,
    /// SHA-256 of the key.
    #[sea_orm(unique)]
    pub key_hash: Vec<u8>,
    /// What it may do, `area:read` or `area:write`.
    pub scopes: Vec<String>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When it stops being accepted; none means never.
    pub expires_at: Option<DateTimeUtc>,
    /// Its last use, to the minute.
    pub last_used_at: Option<DateTimeUtc>,
}

impl ActiveModelBehavior for ActiveModel {}
