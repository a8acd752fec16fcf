//! Sources that are fetched from an address.

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
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

const UP: &str = r"
ALTER TABLE ai_kb_sources ADD COLUMN url text;
ALTER TABLE ai_kb_files ADD COLUMN url text;
";

const DOWN: &str = r"
ALTER TABLE ai_kb_files DROP COLUMN url;
ALTER TABLE ai_kb_sources DROP COLUMN url;
";
