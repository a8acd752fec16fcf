//! API keys, invitations, failed log-ins, and the end of the setup.

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
-- A key is shown once; only its hash is kept, and enough of it to recognise it.
CREATE TABLE api_keys (
    id            uuid        NOT NULL,
    user_id       uuid        NOT NULL,
    name          text        NOT NULL,
    prefix        text        NOT NULL,
    key_hash      bytea       NOT NULL,
    scopes        text[]      NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz,
    last_used_at  timestamptz,
    CONSTRAINT pk_api_keys PRIMARY KEY (id),
    CONSTRAINT fk_api_keys_user FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT uq_api_keys_hash UNIQUE (key_hash),
    CONSTRAINT ck_api_keys_name CHECK (char_length(name) BETWEEN 1 AND 100),
    -- A key that may do nothing is a mistake.
    CONSTRAINT ck_api_keys_scopes CHECK (cardinality(scopes) > 0)
);
CREATE INDEX ix_api_keys_user ON api_keys (user_id, created_at, id);

-- An invitation lets one person register. It ends with whoever gave it, and
-- its record with the account it made.
CREATE TABLE invitations (
    id           uuid        NOT NULL,
    token_hash   bytea       NOT NULL,
    email        text,
    role         text        NOT NULL DEFAULT 'user',
    invited_by   uuid        NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    accepted_at  timestamptz,
    accepted_by  uuid,
    CONSTRAINT pk_invitations PRIMARY KEY (id),
    CONSTRAINT fk_invitations_invited_by FOREIGN KEY (invited_by) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT fk_invitations_accepted_by FOREIGN KEY (accepted_by) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT uq_invitations_hash UNIQUE (token_hash),
    CONSTRAINT ck_invitations_role CHECK (role IN ('user', 'admin')),
    CONSTRAINT ck_invitations_email CHECK (email = lower(email) AND char_length(email) <= 254),
    CONSTRAINT ck_invitations_accepted CHECK ((accepted_at IS NULL) = (accepted_by IS NULL))
);
CREATE INDEX ix_invitations_created ON invitations (created_at, id);
CREATE INDEX ix_invitations_expires ON invitations (expires_at);
CREATE INDEX ix_invitations_invited_by ON invitations (invited_by);
CREATE INDEX ix_invitations_accepted_by ON invitations (accepted_by);

-- How often a log-in failed of late, for an account, an address or both, and
-- how many are being checked. The key is an HMAC: neither can be read from it.
CREATE TABLE login_failures (
    key             bytea       NOT NULL,
    failures        integer     NOT NULL,
    pending         integer     NOT NULL,
    window_ends_at  timestamptz NOT NULL,
    CONSTRAINT pk_login_failures PRIMARY KEY (key)
);
CREATE INDEX ix_login_failures_window ON login_failures (window_ends_at);

-- For lists of accounts.
CREATE INDEX ix_users_created ON users (created_at, id);

-- The setup is for a server that never had an administrator.
INSERT INTO settings (key, value)
SELECT 'auth.setup_closed', 'true' WHERE EXISTS (SELECT 1 FROM users WHERE role = 'admin')
ON CONFLICT ON CONSTRAINT pk_settings DO NOTHING;
";

const DOWN: &str = r"
DROP INDEX ix_users_created;
DROP TABLE login_failures;
DROP TABLE invitations;
DROP TABLE api_keys;
";
