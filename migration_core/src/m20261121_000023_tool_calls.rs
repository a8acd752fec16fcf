//! The tools a model called for an answer, and what came of it.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("ALTER TABLE messages DROP COLUMN tool_calls").await?;
        Ok(())
    }
}

const UP: &str = r"
ALTER TABLE messages ADD COLUMN tool_calls jsonb;
ALTER TABLE messages ADD CONSTRAINT ck_messages_tool_calls CHECK (jsonb_typeof(tool_calls) = 'array');
";
