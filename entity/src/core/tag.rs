//! Tags of a user's positions.

use sea_orm::entity::prelude::*;

use crate::ids::{TagId, UserId};

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tags")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: TagId,
    /// Owner.
    pub user_id: UserId,
    /// Unique among the owner's that are not archived, whatever the case.
    pub name: String,
    /// `#` and six hexadecimal digits.
    pub color: String,
    /// The owner's words.
    #[sea_orm(column_type = "Text", nullable)]
    pub description: Option<String>,
    /// Lower comes first.
    pub display_order: i32,
    /// When it was archived; none: it is in use.
    pub archived_at: Option<DateTimeUtc>,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
