//! Full-text search over messages.

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
-- Words as they are written ('simple') and their English stems. A tsvector has
-- at most a megabyte; 40,000 characters stay below it whatever they are (four
-- bytes each, every address counted again by its parts, both ways of reading),
-- so no text is refused for its words. What is longer is found by its beginning.
ALTER TABLE messages ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (
    to_tsvector('pg_catalog.simple', left(content, 40000)) || to_tsvector('pg_catalog.english', left(content, 40000))
) STORED;
CREATE INDEX ix_messages_search ON messages USING gin (search);
";

const DOWN: &str = r"
DROP INDEX ix_messages_search;
ALTER TABLE messages DROP COLUMN search;
";
