//! Changes of word counts that are not folded into them yet.

use sea_orm::entity::prelude::*;

/// A row.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_kb_word_changes")]
pub struct Model {
    /// Key.
    #[sea_orm(primary_key)]
    pub id: i64,
    /// A word of an audience.
    pub key: i64,
    /// Passages more, or fewer.
    pub passages: i64,
    /// Words of those passages.
    pub words: i64,
}

impl ActiveModelBehavior for ActiveModel {}
