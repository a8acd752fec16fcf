//! Memories by the persona and the character they are bound to.

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
CREATE INDEX ix_ai_memories_persona_id ON ai_memories (persona_id) WHERE persona_id IS NOT NULL;
CREATE INDEX ix_ai_memories_character_id ON ai_memories (character_id) WHERE character_id IS NOT NULL;
";

const DOWN: &str = r"
DROP INDEX ix_ai_memories_character_id;
DROP INDEX ix_ai_memories_persona_id;
";
