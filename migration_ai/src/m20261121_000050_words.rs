//! What passages are found by in words: an inverted index, and its counts.

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

// The index needs an operator that row-level security does not let through (`&&`
// is not leakproof), so the table has none. It holds no words and no owner:
// keys are hashes over audience and word, which nobody can ask for without the
// audience, and passages are read from ai_kb_documents, which has its policies.
const UP: &str = r"
-- The words of a passage. The application makes the numbers; version says by which rules.
CREATE TABLE ai_kb_words (
    document_id  uuid     NOT NULL,
    -- Hashes over audience and word, distinct, and the audience's own, which every passage of it has.
    keys         bigint[] NOT NULL,
    -- The lower 4 bytes of the words' keys, in the order of the text.
    sequence     bytea    NOT NULL,
    -- The same of title, scope and metadata.
    labels       bytea    NOT NULL,
    version      smallint NOT NULL,
    CONSTRAINT pk_ai_kb_words PRIMARY KEY (document_id),
    CONSTRAINT fk_ai_kb_words_document FOREIGN KEY (document_id) REFERENCES ai_kb_documents (id) ON DELETE CASCADE
);
-- Hashes do not compress.
ALTER TABLE ai_kb_words ALTER COLUMN keys SET STORAGE EXTERNAL;
ALTER TABLE ai_kb_words ALTER COLUMN sequence SET STORAGE EXTERNAL;
ALTER TABLE ai_kb_words ALTER COLUMN labels SET STORAGE EXTERNAL;
-- Without a list of pending entries, which every search would have to read through.
CREATE INDEX ix_ai_kb_words_keys ON ai_kb_words USING gin (keys) WITH (fastupdate = off);

-- In how many passages a key is, and how many words those have together. True at
-- any time as the sum of both tables: writers only append changes, so they never
-- wait for each other, and a job folds changes into counts.
CREATE TABLE ai_kb_word_counts (
    key       bigint NOT NULL,
    passages  bigint NOT NULL,
    words     bigint NOT NULL,
    CONSTRAINT pk_ai_kb_word_counts PRIMARY KEY (key)
);
-- To find what nobody has any more.
CREATE INDEX ix_ai_kb_word_counts_none ON ai_kb_word_counts (key) WHERE passages = 0;
CREATE TABLE ai_kb_word_changes (
    id        bigint GENERATED ALWAYS AS IDENTITY,
    key       bigint NOT NULL,
    passages  bigint NOT NULL,
    words     bigint NOT NULL,
    CONSTRAINT pk_ai_kb_word_changes PRIMARY KEY (id)
);
CREATE INDEX ix_ai_kb_word_changes_key ON ai_kb_word_changes (key);

-- By triggers, so that every way a passage comes and goes is counted.
CREATE FUNCTION ai_kb_words_count() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP IN ('DELETE', 'UPDATE') THEN
        INSERT INTO ai_kb_word_changes (key, passages, words)
        SELECT key, -count(*), -sum(octet_length(sequence) / 4) FROM removed, unnest(keys) AS key GROUP BY key;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        INSERT INTO ai_kb_word_changes (key, passages, words)
        SELECT key, count(*), sum(octet_length(sequence) / 4) FROM added, unnest(keys) AS key GROUP BY key;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER tr_ai_kb_words_insert AFTER INSERT ON ai_kb_words
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ai_kb_words_count();
CREATE TRIGGER tr_ai_kb_words_update AFTER UPDATE ON ai_kb_words
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION ai_kb_words_count();
CREATE TRIGGER tr_ai_kb_words_delete AFTER DELETE ON ai_kb_words
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION ai_kb_words_count();
";

const DOWN: &str = r"
DROP TABLE ai_kb_words;
DROP FUNCTION ai_kb_words_count();
DROP TABLE ai_kb_word_changes;
DROP TABLE ai_kb_word_counts;
";
