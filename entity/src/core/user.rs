//! Users.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ids::{TenantId, UserId};

/// What a user may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Own rows only.
    User,
    /// Shared rows and the administration routes too.
    Admin,
}

/// What an account comprises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// A few portfolios.
    Free,
    /// More.
    Paid,
}

/// An argon2id hash in PHC form. Who guesses at it can test guesses, so it is
/// never printed, not even as part of a row.
#[derive(Clone, PartialEq, Eq, DeriveValueType)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(hidden)")
    }
}

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: UserId,
    /// The tenant the user belongs to.
    pub tenant_id: TenantId,
    /// In lower case.
    #[sea_orm(unique)]
    pub email: String,
    /// Not printable.
    pub password_hash: PasswordHash,
    /// Display name.
    pub full_name: Option<String>,
    /// What the user may do.
    pub role: Role,
    /// What the account comprises.
    pub tier: Tier,
    /// False closes every door on the next request.
    pub is_active: bool,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
