//! Row-level security: the second line behind the owner filters.
//!
//! A transaction sees the rows whose audience it was given (`tandem.readable`)
//! and writes those of `tandem.writable`; with neither it sees nothing. Workers
//! (`tandem.actor`) reach every row. Forced, so that the tables' owner is
//! subject to it too. The sub-selects are evaluated once a statement.

use sea_orm_migration::prelude::*;

use crate::security::{owned_by, unowned};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: [(&str, &str); 4] = [
    ("ai_kb_sources", "audience"),
    ("ai_kb_documents", "audience"),
    ("ai_memories", "audience"),
    ("ai_feedback", "user_id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, owner) in TABLES {
            manager.get_connection().execute_unprepared(&owned_by(table, owner)).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, _) in TABLES {
            manager.get_connection().execute_unprepared(&unowned(table)).await?;
        }
        Ok(())
    }
}
