//! Named collections of sources, and who reads them.

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
-- The sources are in ai; each names its collection. Who may read a collection is
-- asked with the account, on every request, so a share that is withdrawn is gone.
CREATE TABLE knowledge_collections (
    id           uuid        NOT NULL,
    owner_id     uuid        NOT NULL,
    tenant_id    uuid        NOT NULL,
    name         text        NOT NULL,
    description  text        NOT NULL DEFAULT '',
    -- With everybody in the tenant.
    is_shared    boolean     NOT NULL DEFAULT false,
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_knowledge_collections PRIMARY KEY (id),
    CONSTRAINT fk_knowledge_collections_owner FOREIGN KEY (owner_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_knowledge_collections_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_knowledge_collections_name UNIQUE (owner_id, name),
    CONSTRAINT ck_knowledge_collections_name CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT ck_knowledge_collections_description CHECK (char_length(description) <= 2000)
);
CREATE INDEX ix_knowledge_collections_shared ON knowledge_collections (tenant_id) WHERE is_shared;

CREATE TABLE knowledge_collection_readers (
    collection_id  uuid        NOT NULL,
    user_id        uuid        NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_knowledge_collection_readers PRIMARY KEY (collection_id, user_id),
    CONSTRAINT fk_knowledge_collection_readers_collection FOREIGN KEY (collection_id)
        REFERENCES knowledge_collections (id) ON DELETE CASCADE,
    CONSTRAINT fk_knowledge_collection_readers_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE
);
CREATE INDEX ix_knowledge_collection_readers_user ON knowledge_collection_readers (user_id);
";

const DOWN: &str = r"
DROP TABLE knowledge_collection_readers;
DROP TABLE knowledge_collections;
";
