//! Who somebody of another system is here.

use crate::ids::{PersonaId, UserId};
use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "persona_identities")]
pub struct Model {
    /// The persona's owner.
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: UserId,
    /// The other system, for example `discord`.
    #[sea_orm(primary_key, auto_increment = false)]
    pub provider: String,
    /// The id there.
    #[sea_orm(primary_key, auto_increment = false)]
    pub external_id: String,
    /// Who that is.
    pub persona_id: PersonaId,
    /// When the row was made.
    pub created_at: DateTimeUtc,
}

impl ActiveModelBehavior for ActiveModel {}
