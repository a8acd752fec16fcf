//! Tenants, users, refresh tokens and settings.

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
CREATE TABLE tenants (
    id          uuid        NOT NULL,
    slug        text        NOT NULL,
    name        text        NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_tenants PRIMARY KEY (id),
    CONSTRAINT uq_tenants_slug UNIQUE (slug),
    CONSTRAINT ck_tenants_slug CHECK (slug ~ '^[a-z0-9][a-z0-9-]{0,62}$')
);

-- Every user belongs to a tenant; this one is there from the first start.
INSERT INTO tenants (id, slug, name)
VALUES ('019aa000-0000-7000-8000-000000000001', 'default', 'Default');

CREATE TABLE users (
    id             uuid        NOT NULL,
    tenant_id      uuid        NOT NULL,
    email          text        NOT NULL,
    password_hash  text        NOT NULL,
    full_name      text,
    role           text        NOT NULL DEFAULT 'user',
    is_active      boolean     NOT NULL DEFAULT true,
    created_at     timestamptz NOT NULL DEFAULT now(),
    updated_at     timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_users PRIMARY KEY (id),
    CONSTRAINT fk_users_tenant FOREIGN KEY (tenant_id) REFERENCES tenants (id),
    CONSTRAINT ck_users_role CHECK (role IN ('user', 'admin')),
    -- Addresses are stored in lower case, so that one person has one account.
    CONSTRAINT ck_users_email CHECK (email = lower(email) AND char_length(email) <= 254),
    CONSTRAINT uq_users_email UNIQUE (email)
);
CREATE INDEX ix_users_tenant ON users (tenant_id);

-- A refresh token is used once; its successor joins the same family. Only
-- hashes are kept.
CREATE TABLE refresh_tokens (
    id          uuid        NOT NULL,
    user_id     uuid        NOT NULL,
    family_id   uuid        NOT NULL,
    token_hash  bytea       NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now(),
    expires_at  timestamptz NOT NULL,
    rotated_at  timestamptz,
    revoked_at  timestamptz,
    CONSTRAINT pk_refresh_tokens PRIMARY KEY (id),
    CONSTRAINT fk_refresh_tokens_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT uq_refresh_tokens_hash UNIQUE (token_hash)
);
CREATE INDEX ix_refresh_tokens_family ON refresh_tokens (family_id);
CREATE INDEX ix_refresh_tokens_user ON refresh_tokens (user_id);
CREATE INDEX ix_refresh_tokens_expires ON refresh_tokens (expires_at);

CREATE TABLE settings (
    key         text        NOT NULL,
    value       jsonb       NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT pk_settings PRIMARY KEY (key)
);
";

const DOWN: &str = r"
DROP TABLE settings;
DROP TABLE refresh_tokens;
DROP TABLE users;
DROP TABLE tenants;
";
