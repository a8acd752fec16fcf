//! Uploaded files, until they are parsed, and the pages of passages.

use sea_orm_migration::prelude::*;

use crate::security::owned_by;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(UP).await?;
        connection.execute_unprepared(&owned_by("ai_kb_files", "audience")).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared(DOWN).await?;
        Ok(())
    }
}

const UP: &str = r"
-- An uploaded file waits here for its parser and goes when that is done. It
-- belongs to one generation of its source: a newer one makes it void.
CREATE TABLE ai_kb_files (
    source_id   uuid         NOT NULL,
    generation  bigint       NOT NULL,
    -- The source's.
    audience    uuid         NOT NULL,
    media_type  varchar(100) NOT NULL,
    filename    varchar(255),
    -- Whether the sender said what the source is called.
    titled      boolean      NOT NULL,
    bytes       bytea        NOT NULL,
    created_at  timestamptz  NOT NULL DEFAULT now(),
    CONSTRAINT pk_ai_kb_files PRIMARY KEY (source_id),
    CONSTRAINT fk_ai_kb_files_source FOREIGN KEY (source_id) REFERENCES ai_kb_sources (id) ON DELETE CASCADE
);
-- Written once, read once: compressing would cost more than it saves.
ALTER TABLE ai_kb_files ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- At which code point of the text each page begins; for files that have pages.
ALTER TABLE ai_kb_sources ADD COLUMN pages jsonb;
-- The page on which the passage begins, from 1.
ALTER TABLE ai_kb_documents ADD COLUMN page integer;
ALTER TABLE ai_kb_documents ADD CONSTRAINT ck_ai_kb_documents_page CHECK (page >= 1);
";

const DOWN: &str = r"
ALTER TABLE ai_kb_documents DROP COLUMN page;
ALTER TABLE ai_kb_sources DROP COLUMN pages;
DROP TABLE ai_kb_files;
";
