//! Users with whom a collection is shared by name.

use sea_orm::entity::prelude::*;

use crate::ids::{CollectionId, UserId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "knowledge_collection_readers")]
pub struct Model {
    /// The collection.
    #[sea_orm(primary_key, auto_increment = false)]
    pub collection_id: CollectionId,
    /// Who may read it.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// When it was shared.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
