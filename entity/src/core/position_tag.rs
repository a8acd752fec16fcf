//! Which position has which tags.

use sea_orm::entity::prelude::*;

use crate::ids::{PositionId, TagId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "position_tags")]
pub struct Model {
    /// The position.
    #[sea_orm(primary_key, auto_increment = false)]
    pub position_id: PositionId,
    /// The tag.
    #[sea_orm(primary_key, auto_increment = false)]
    pub tag_id: TagId,
    /// Since when.
    pub assigned_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
