//! The page a citation points to, for sources that have pages.

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
        manager.get_connection().execute_unprepared("ALTER TABLE citations DROP COLUMN page").await?;
        Ok(())
    }
}

const UP: &str = r"
ALTER TABLE citations ADD COLUMN page integer;
ALTER TABLE citations ADD CONSTRAINT ck_citations_page CHECK (page >= 1);
";
