//! Conversations as trees: the path that is active, and words that are searched.

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
-- The leaf of the active path. No foreign key: messages go with their
-- conversation only, and each turn would pay for it twice.
ALTER TABLE conversations ADD COLUMN active_message_id uuid;
UPDATE conversations AS c
   SET active_message_id = (SELECT m.id FROM messages AS m
                             WHERE m.conversation_id = c.id ORDER BY m.position DESC LIMIT 1);
CREATE INDEX ix_messages_root ON messages (conversation_id) WHERE parent_id IS NULL;

-- 'simple' finds every word as it is written, in any language and stop words
-- too; 'english' finds its other forms. A tsvector holds at most 1 MB, so the
-- longest texts are searched in their first 100,000 characters.
ALTER TABLE messages ADD COLUMN search tsvector GENERATED ALWAYS AS (
    to_tsvector('simple', left(content, 100000)) || to_tsvector('english', left(content, 100000))) STORED;
CREATE INDEX ix_messages_search ON messages USING gin (search);
";

const DOWN: &str = r"
DROP INDEX ix_messages_search;
ALTER TABLE messages DROP COLUMN search;
DROP INDEX ix_messages_root;
ALTER TABLE conversations DROP COLUMN active_message_id;
";
