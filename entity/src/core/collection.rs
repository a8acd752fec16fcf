//! Named collections of sources. The sources are in ai and name their collection.

use sea_orm::entity::prelude::*;

use crate::ids::{CollectionId, TenantId, UserId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "knowledge_collections")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: CollectionId,
    /// Who made it, and alone changes it.
    pub owner_id: UserId,
    /// The owner's tenant: nobody outside of it reads the collection.
    pub tenant_id: TenantId,
    /// Unique among the owner's.
    pub name: String,
    /// What it is for; may be empty.
    pub description: String,
    /// Whether everybody in the tenant reads it.
    pub is_shared: bool,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
