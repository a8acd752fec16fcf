//! Characters: whom one talks to.

use crate::ids::{CharacterId, TenantId, UserId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "characters")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CharacterId,
    /// Whose it is; none means everybody's in the tenant.
    pub user_id: Option<UserId>,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// By what programs name it; the owner's characters each have another.
    pub slug: String,
    /// By what people name it.
    pub name: String,
    /// What it is for, for people to read.
    pub description: Option<String>,
    /// What the model is told of it.
    pub system_prompt: String,
    /// The model that speaks for it; none means the configured one.
    pub model: Option<String>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
