//! The pin of a search is planned once a connection.

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

// Connections to ai have every statement planned for its own values, which searches need and this does not.
const UP: &str = "ALTER FUNCTION ai_pin_space(uuid) SET plan_cache_mode = force_generic_plan";

const DOWN: &str = "ALTER FUNCTION ai_pin_space(uuid) RESET plan_cache_mode";
