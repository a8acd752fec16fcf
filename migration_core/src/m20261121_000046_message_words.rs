//! Words of messages are read in one way instead of two.

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
DROP INDEX ix_messages_search;
ALTER TABLE messages DROP COLUMN search;

-- English stems of all words, stop words too; numbers, addresses and names of files
-- as they are written. Other languages' words only have to become the same thing in
-- a message and in a question.
CREATE TEXT SEARCH DICTIONARY tandem_stems (TEMPLATE = pg_catalog.snowball, LANGUAGE = english);
CREATE TEXT SEARCH CONFIGURATION tandem_words (COPY = pg_catalog.simple);
ALTER TEXT SEARCH CONFIGURATION tandem_words
    ALTER MAPPING FOR asciiword, word, asciihword, hword, hword_asciipart, hword_part WITH tandem_stems;

-- A tsvector has at most a megabyte; 40,000 characters stay below it whatever they
-- are (four bytes each, every address counted again by its parts). What is longer
-- is found by its beginning.
ALTER TABLE messages ADD COLUMN search tsvector NOT NULL
    GENERATED ALWAYS AS (to_tsvector('tandem_words', left(content, 40000))) STORED;
-- Packing it takes as long as making it, at the end of every answer.
ALTER TABLE messages ALTER COLUMN search SET STORAGE EXTERNAL;
CREATE INDEX ix_messages_search ON messages USING gin (search);
";

const DOWN: &str = r"
DROP INDEX ix_messages_search;
ALTER TABLE messages DROP COLUMN search;
DROP TEXT SEARCH CONFIGURATION tandem_words;
DROP TEXT SEARCH DICTIONARY tandem_stems;
ALTER TABLE messages ADD COLUMN search tsvector NOT NULL GENERATED ALWAYS AS (
    to_tsvector('pg_catalog.simple', left(content, 40000)) || to_tsvector('pg_catalog.english', left(content, 40000))
) STORED;
CREATE INDEX ix_messages_search ON messages USING gin (search);
";
