//! In how many passages a word is.

use sea_orm::entity::prelude::*;

/// A row; true together with the changes of its key.
#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ai_kb_word_counts")]
pub struct Model {
    /// A word of an audience.
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: i64,
    /// Passages that have it.
    pub passages: i64,
    /// Words of those passages.
    pub words: i64,
}

impl ActiveModelBehavior for ActiveModel {}
