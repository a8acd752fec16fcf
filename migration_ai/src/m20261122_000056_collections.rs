//! Sources in collections, and the hash of each text.

use sea_orm_migration::prelude::*;

use crate::security::{owned_by, unowned};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: [&str; 2] = ["ai_kb_sources", "ai_kb_documents"];

/// Who owns a row writes it, whoever reads it.
const OWNER: &str = "coalesce(owner_id, tenant_id, '00000000-0000-0000-0000-000000000000'::uuid)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        for table in TABLES {
            connection.execute_unprepared(&in_collections(table)).await?;
        }
        connection.execute_unprepared(UP).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(DOWN).await?;
        for table in TABLES {
            connection.execute_unprepared(&generated_again(table)).await?;
        }
        connection.execute_unprepared(INDEXES).await?;
        for table in TABLES {
            connection.execute_unprepared(&owned_by(table, "audience")).await?;
        }
        Ok(())
    }
}

/// The readers of a collection are an audience. `audience` stays the one column
/// that readers are filtered by, but becomes a trigger's: a generated column
/// cannot change what it is generated from without the table being written anew.
/// Writing is allowed by owner: whom a row is for does not say whose it is.
fn in_collections(table: &str) -> String {
    let writes = format!(
        "{OWNER} = ANY ((SELECT string_to_array(current_setting('tandem.writable', true), ',')::uuid[])::uuid[])"
    );
    let policies = [
        ("insert", format!("FOR INSERT WITH CHECK ({writes})")),
        ("update", format!("FOR UPDATE USING ({writes}) WITH CHECK ({writes})")),
        ("delete", format!("FOR DELETE USING ({writes})")),
    ]
    .map(|(name, rule)| {
        format!(
            "DROP POLICY po_{table}_{name} ON {table}; CREATE POLICY po_{table}_{name} ON {table} {rule};"
        )
    })
    .concat();
    format!(
        "ALTER TABLE {table} ADD COLUMN collection_id uuid;
         ALTER TABLE {table} ALTER COLUMN audience DROP EXPRESSION;
         CREATE INDEX ix_{table}_collection ON {table} (collection_id) WHERE collection_id IS NOT NULL;
         {policies}
         -- Who may write a row may also see it, in whatever collection it is.
         CREATE POLICY po_{table}_own ON {table} FOR SELECT USING ({writes});"
    )
}

fn generated_again(table: &str) -> String {
    let unowned = unowned(table);
    format!(
        "DROP POLICY po_{table}_own ON {table};
         {unowned}
         ALTER TABLE {table} DROP COLUMN audience, DROP COLUMN collection_id;
         ALTER TABLE {table} ADD COLUMN audience uuid NOT NULL GENERATED ALWAYS AS ({OWNER}) STORED;"
    )
}

const UP: &str = r"
CREATE FUNCTION ai_kb_set_audience() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.audience := coalesce(NEW.collection_id, NEW.owner_id, NEW.tenant_id, '00000000-0000-0000-0000-000000000000'::uuid);
    RETURN NEW;
END $$;
CREATE TRIGGER tg_ai_kb_sources_audience BEFORE INSERT OR UPDATE OF collection_id, owner_id, tenant_id, audience
    ON ai_kb_sources FOR EACH ROW EXECUTE FUNCTION ai_kb_set_audience();
CREATE TRIGGER tg_ai_kb_documents_audience BEFORE INSERT OR UPDATE OF collection_id, owner_id, tenant_id, audience
    ON ai_kb_documents FOR EACH ROW EXECUTE FUNCTION ai_kb_set_audience();

-- A source's passages are for whom the source is, at any moment. Their words were
-- stored for another audience; whoever moves a source stores them anew, and what
-- nobody does is indexed in the background.
CREATE FUNCTION ai_kb_move_passages() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM ai_kb_words WHERE document_id IN (SELECT id FROM ai_kb_documents WHERE source_id = NEW.id);
    UPDATE ai_kb_documents SET collection_id = NEW.collection_id WHERE source_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER tg_ai_kb_sources_move AFTER UPDATE OF collection_id ON ai_kb_sources
    FOR EACH ROW WHEN (OLD.collection_id IS DISTINCT FROM NEW.collection_id) EXECUTE FUNCTION ai_kb_move_passages();

-- By what equal texts are found, whatever they are called.
ALTER TABLE ai_kb_sources ADD COLUMN text_hash bytea;
CREATE FUNCTION ai_kb_hash_text() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.text_hash := CASE WHEN NEW.content <> '' THEN sha256(convert_to(NEW.content, 'UTF8')) END;
    RETURN NEW;
END $$;
CREATE TRIGGER tg_ai_kb_sources_text BEFORE INSERT OR UPDATE OF content, text_hash
    ON ai_kb_sources FOR EACH ROW EXECUTE FUNCTION ai_kb_hash_text();
SELECT set_config('tandem.actor', 'worker', false);
UPDATE ai_kb_sources SET text_hash = NULL;
SELECT set_config('tandem.actor', '', false);
CREATE INDEX ix_ai_kb_sources_text ON ai_kb_sources (audience, text_hash) WHERE text_hash IS NOT NULL;
";

// Without its collection a passage is its owner's again; its words are indexed anew.
const DOWN: &str = r"
SELECT set_config('tandem.actor', 'worker', false);
UPDATE ai_kb_sources SET collection_id = NULL WHERE collection_id IS NOT NULL;
SELECT set_config('tandem.actor', '', false);
DROP TRIGGER tg_ai_kb_sources_text ON ai_kb_sources;
DROP FUNCTION ai_kb_hash_text();
ALTER TABLE ai_kb_sources DROP COLUMN text_hash;
DROP TRIGGER tg_ai_kb_sources_move ON ai_kb_sources;
DROP FUNCTION ai_kb_move_passages();
DROP TRIGGER tg_ai_kb_documents_audience ON ai_kb_documents;
DROP TRIGGER tg_ai_kb_sources_audience ON ai_kb_sources;
DROP FUNCTION ai_kb_set_audience();
";

const INDEXES: &str = r"
CREATE INDEX ix_ai_kb_sources_audience ON ai_kb_sources (audience, created_at DESC, id DESC);
CREATE INDEX ix_ai_kb_documents_scope ON ai_kb_documents (audience, scope);
";
