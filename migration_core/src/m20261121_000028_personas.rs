//! Characters, personas, and conversations between the two.

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
CREATE TABLE characters (
    id             uuid        NOT NULL,
    -- Whose it is; none: everybody's in the tenant.
    user_id        uuid,
    tenant_id      uuid        NOT NULL,
    slug           text        NOT NULL,
    name           text        NOT NULL,
    description    text,
    system_prompt  text        NOT NULL,
    model          text,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_characters PRIMARY KEY (id),
    CONSTRAINT fk_characters_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_characters_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT uq_characters_slug UNIQUE NULLS NOT DISTINCT (tenant_id, user_id, slug),
    CONSTRAINT ck_characters_slug CHECK (slug ~ '^[a-z0-9][a-z0-9_-]{0,99}$'),
    CONSTRAINT ck_characters_name CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT ck_characters_description CHECK (char_length(description) <= 2000),
    CONSTRAINT ck_characters_system_prompt CHECK (char_length(system_prompt) BETWEEN 1 AND 8000)
);
CREATE INDEX ix_characters_user ON characters (user_id, created_at DESC, id DESC);

CREATE TABLE personas (
    id           uuid        NOT NULL,
    user_id      uuid        NOT NULL,
    name         text        NOT NULL,
    description  text        NOT NULL DEFAULT '',
    created_at   timestamptz NOT NULL DEFAULT now(),
    updated_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_personas PRIMARY KEY (id),
    CONSTRAINT fk_personas_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT uq_personas_name UNIQUE (user_id, name),
    -- What identities refer to: a persona with its user.
    CONSTRAINT uq_personas_user UNIQUE (id, user_id),
    CONSTRAINT ck_personas_name CHECK (char_length(name) BETWEEN 1 AND 100),
    CONSTRAINT ck_personas_description CHECK (char_length(description) <= 2000)
);
CREATE INDEX ix_personas_user ON personas (user_id, created_at DESC, id DESC);

-- Who somebody of another system is here. Of each user apart: two users may
-- both know the same account of a chat service.
CREATE TABLE persona_identities (
    user_id      uuid        NOT NULL,
    provider     text        NOT NULL,
    external_id  text        NOT NULL,
    persona_id   uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_persona_identities PRIMARY KEY (user_id, provider, external_id),
    CONSTRAINT fk_persona_identities_persona FOREIGN KEY (persona_id, user_id)
        REFERENCES personas (id, user_id) ON DELETE CASCADE,
    CONSTRAINT ck_persona_identities_provider CHECK (provider ~ '^[a-z0-9][a-z0-9_-]{0,49}$'),
    CONSTRAINT ck_persona_identities_external_id CHECK (char_length(external_id) BETWEEN 1 AND 200)
);
CREATE INDEX ix_persona_identities_persona ON persona_identities (persona_id, user_id);

ALTER TABLE conversations
    ADD COLUMN character_id uuid,
    ADD COLUMN persona_id uuid,
    ADD CONSTRAINT fk_conversations_character FOREIGN KEY (character_id) REFERENCES characters (id) ON DELETE SET NULL,
    ADD CONSTRAINT fk_conversations_persona FOREIGN KEY (persona_id) REFERENCES personas (id) ON DELETE SET NULL;
CREATE INDEX ix_conversations_character ON conversations (character_id) WHERE character_id IS NOT NULL;
CREATE INDEX ix_conversations_persona ON conversations (persona_id) WHERE persona_id IS NOT NULL;
";

const DOWN: &str = r"
ALTER TABLE conversations DROP COLUMN persona_id, DROP COLUMN character_id;
DROP TABLE persona_identities;
DROP TABLE personas;
DROP TABLE characters;
";
