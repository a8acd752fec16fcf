//! Conversations as trees: the path that is active.

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
";

const DOWN: &str = r"
DROP INDEX ix_messages_root;
ALTER TABLE conversations DROP COLUMN active_message_id;
";
