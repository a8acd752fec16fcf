//! Embedding spaces that change online.

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
-- Beside the active space there is at most one: the next one on its way, or the previous one.
ALTER TABLE ai_embedding_spaces
    DROP CONSTRAINT ck_ai_embedding_spaces_status,
    ADD CONSTRAINT ck_ai_embedding_spaces_status CHECK
        (status IN ('active', 'filling', 'indexing', 'checking', 'ready', 'refused', 'previous', 'retired')),
    ADD COLUMN tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN recall jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN error text,
    ADD COLUMN lease_owner uuid,
    ADD COLUMN lease_expires_at timestamptz,
    ADD COLUMN updated_at timestamptz NOT NULL DEFAULT now();
CREATE UNIQUE INDEX uq_ai_embedding_spaces_beside ON ai_embedding_spaces ((true)) WHERE status NOT IN ('active', 'retired');

-- Whoever has a vector says first which space it was made for. The tables keep
-- their columns until the transaction ends, because a switch needs them for
-- itself alone; what is read after that lock is what holds until then.
CREATE FUNCTION ai_pin_space(wanted uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    LOCK TABLE ai_kb_documents, ai_memories IN ACCESS SHARE MODE;
    IF NOT EXISTS (SELECT FROM ai_embedding_spaces WHERE id = wanted AND status = 'active') THEN
        RAISE EXCEPTION USING ERRCODE = 'TS001', MESSAGE = 'another embedding space is active';
    END IF;
END $$;

-- A row whose active vector is made anew has no valid vector beside it.
CREATE FUNCTION ai_void_next() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.embedding_next := NULL;
    RETURN NEW;
END $$;
CREATE FUNCTION ai_void_prev() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.embedding_prev := NULL;
    RETURN NEW;
END $$;
";

const DOWN: &str = r"
DROP TRIGGER IF EXISTS tg_ai_kb_documents_void ON ai_kb_documents;
DROP TRIGGER IF EXISTS tg_ai_memories_void ON ai_memories;
ALTER TABLE ai_kb_documents DROP COLUMN IF EXISTS embedding_next, DROP COLUMN IF EXISTS embedding_prev;
ALTER TABLE ai_memories DROP COLUMN IF EXISTS embedding_next, DROP COLUMN IF EXISTS embedding_prev;
DROP INDEX IF EXISTS ix_ai_kb_documents_embedding_missing, ix_ai_memories_embedding_missing;
DROP FUNCTION ai_void_prev();
DROP FUNCTION ai_void_next();
DROP FUNCTION ai_pin_space(uuid);
DROP INDEX uq_ai_embedding_spaces_beside;
UPDATE ai_embedding_spaces SET status = 'retired' WHERE status <> 'active';
ALTER TABLE ai_embedding_spaces
    DROP COLUMN updated_at,
    DROP COLUMN lease_expires_at,
    DROP COLUMN lease_owner,
    DROP COLUMN error,
    DROP COLUMN recall,
    DROP COLUMN tokens,
    DROP CONSTRAINT ck_ai_embedding_spaces_status,
    ADD CONSTRAINT ck_ai_embedding_spaces_status CHECK (status IN ('active', 'retired'));
";
