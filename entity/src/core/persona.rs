//! Personas: who a user is to a character.

use crate::ids::{PersonaId, UserId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "personas")]
pub struct Model {
    /// Key, UUIDv7.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: PersonaId,
    /// Owner.
    pub user_id: UserId,
    /// Unique among the owner's.
    pub name: String,
    /// What the model is told of it; may be empty.
    pub description: String,
    /// When the row was made.
    pub created_at: DateTimeUtc,
    /// When the row last changed.
    pub updated_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
