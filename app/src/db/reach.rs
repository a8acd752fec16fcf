//! For whom a transaction on ai acts.
//!
//! Row-level security is the second line behind the owner filters: every
//! transaction says first whose rows it may read and write, and without that
//! it sees none. The policies are in the ai chain; identity is two settings
//! that end with the transaction. A login that would bypass row security (a
//! superuser, as most managed Postgres give out) steps down to a role that
//! does not; an ordinary login needs no role, because security is forced on
//! the tables' owner too.

use std::fmt::Write as _;
use std::sync::atomic::Ordering;

use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};
use uuid::Uuid;

use super::handle::{AiDb, AiTx};
use super::tx::Tx;
use super::word_index;
use crate::error::{Error, Result};

/// Requests act as this role when the login bypasses row security.
const USER_ROLE: &str = "tandem_rls_user";
/// Jobs, the relay and housekeeping act as this role then.
const WORKER_ROLE: &str = "tandem_rls_worker";

const WORKING: &str = "SET LOCAL tandem.actor = 'worker'";

/// Whose rows may be read and written: values of the column `audience`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    readable: Vec<Uuid>,
    writable: Vec<Uuid>,
}

impl Reach {
    /// May read these audiences' rows, and write none.
    pub fn reading(audiences: impl IntoIterator<Item = Uuid>) -> Self {
        Self { readable: audiences.into_iter().collect(), writable: Vec::new() }
    }

    /// May read and write these audiences' rows too.
    #[must_use]
    pub fn and_writing(mut self, audiences: impl IntoIterator<Item = Uuid>) -> Self {
        for audience in audiences {
            if !self.writable.contains(&audience) {
                self.writable.push(audience);
            }
            if !self.readable.contains(&audience) {
                self.readable.push(audience);
            }
        }
        self
    }

    /// Ids hold nothing that could end the literal.
    fn settings(&self) -> String {
        format!(
            "SET LOCAL tandem.readable = '{}'; SET LOCAL tandem.writable = '{}'",
            list(&self.readable),
            list(&self.writable)
        )
    }
}

fn list(ids: &[Uuid]) -> String {
    let mut text = String::with_capacity(ids.len() * 37);
    for id in ids {
        if !text.is_empty() {
            text.push(',');
        }
        // Writing into a String cannot fail.
        let _ = write!(text, "{id}");
    }
    text
}

/// Whether transactions must step down from the login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Roles {
    /// The login is subject to row security by itself.
    Login,
    /// The login bypasses it.
    StepDown,
}

impl AiDb {
    /// A transaction that acts for a user. 503 `ai_unavailable` when no
    /// connection can be had within `database.ai_wait_ms`.
    pub async fn begin_for(&self, reach: &Reach) -> Result<AiTx> {
        self.begin_within(USER_ROLE, &reach.settings(), "").await
    }

    /// The same for statements that read a few rows through indexes, whatever
    /// the planner would take their number for.
    pub async fn begin_by_index(&self, reach: &Reach) -> Result<AiTx> {
        self.begin_for_if(reach, word_index::BY_INDEX, "").await
    }

    /// A transaction that reads and writes everybody's rows: for jobs, the
    /// relay and housekeeping, never for a request's own work.
    pub async fn begin_worker(&self) -> Result<AiTx> {
        self.begin_within(WORKER_ROLE, WORKING, "").await
    }

    /// As [`AiDb::begin_for`] with further settings, if the condition does not refuse.
    pub(super) async fn begin_for_if(&self, reach: &Reach, settings: &str, condition: &str) -> Result<AiTx> {
        self.begin_within(USER_ROLE, &format!("{}{settings}", reach.settings()), condition).await
    }

    /// As [`AiDb::begin_worker`], if the condition does not refuse.
    pub(super) async fn begin_worker_if(&self, condition: &str) -> Result<AiTx> {
        self.begin_within(WORKER_ROLE, WORKING, condition).await
    }

    /// Until [`AiDb::open_again`] every transaction is refused as if ai were away.
    pub(super) fn close_for_now(&self) {
        self.is_closed.store(true, Ordering::Release);
    }

    /// Whether it is refused for now.
    pub fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::Acquire)
    }

    /// Ai was compared with core and migrated.
    pub(super) fn open_again(&self) {
        self.is_closed.store(false, Ordering::Release);
    }

    /// While a database is away its pool goes on trying for as long as a
    /// connection may be waited for; nobody should wait that long.
    async fn begin_within(&self, role: &str, settings: &str, condition: &str) -> Result<AiTx> {
        if self.is_closed() {
            return Err(self.unavailable(None));
        }
        match tokio::time::timeout(self.wait, Box::pin(self.begin_again(role, settings, condition))).await {
            Ok(Ok(transaction)) => Ok(transaction),
            Ok(Err(error)) if error.is_outage() => Err(self.unavailable(Some(error))),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.unavailable(None)),
        }
    }

    fn unavailable(&self, source: Option<Error>) -> Error {
        let (code, detail) = if source.is_none() && self.pool_state().is_exhausted() {
            ("ai_busy", "all connections to the ai database are in use; try again shortly")
        } else {
            (
                "ai_unavailable",
                "the ai database does not answer; knowledge, memories and votes are out of reach for now",
            )
        };
        Error::Unavailable { code, detail: detail.to_owned(), source: source.map(Into::into) }
    }

    /// A connection that was cut while it waited in the pool shows only when it
    /// is used; nothing was done on it, so another one is tried, once.
    async fn begin_again(&self, role: &str, settings: &str, condition: &str) -> Result<AiTx> {
        match self.begin_with(role, settings, condition).await {
            Err(error) if error.is_outage() => self.begin_with(role, settings, condition).await,
            begun => begun,
        }
    }

    async fn begin_with(&self, role: &str, settings: &str, condition: &str) -> Result<AiTx> {
        let roles = self.roles.get_or_try_init(|| self.find_own_roles()).await?;
        let identity = match roles {
            Roles::StepDown => format!("SET LOCAL ROLE {role}; {settings}"),
            Roles::Login => settings.to_owned(),
        };
        Ok(Tx::begin_if(self.pool(), condition, &identity).await?)
    }
}

impl AiDb {
    async fn find_own_roles(&self) -> Result<Roles> {
        find_roles(&self.begin_plain().await?).await
    }
}

async fn find_roles(connection: &impl ConnectionTrait) -> Result<Roles> {
    let statement = Statement::from_string(
        DbBackend::Postgres,
        "SELECT rolsuper OR rolbypassrls AS bypasses FROM pg_roles WHERE rolname = session_user",
    );
    let row = connection.query_one_raw(statement).await?;
    let bypasses = row.map(|row| row.try_get::<bool>("", "bypasses")).transpose()?.unwrap_or(true);
    Ok(if bypasses { Roles::StepDown } else { Roles::Login })
}

/// Makes the roles when the login needs them, and lets them at ai's tables.
/// Runs under the ai chain's lock; safe to repeat.
pub(super) async fn ensure_roles(connection: &DatabaseConnection) -> Result<()> {
    if find_roles(connection).await? == Roles::Login {
        return Ok(());
    }
    for role in [USER_ROLE, WORKER_ROLE] {
        let statement = ENSURE_ROLE.replace("{role}", role);
        connection.execute_unprepared(&statement).await.map_err(|error| {
            Error::startup(
                format!("row-level security in the ai database needs the role {role}: {error}"),
                format!(
                    "as an administrator: CREATE ROLE {role} NOLOGIN; GRANT {role} TO CURRENT_USER; or use a login without BYPASSRLS"
                ),
            )
        })?;
    }
    Ok(())
}

/// Roles belong to the whole server, so another database may make them at the
/// same moment. Nothing is written when everything is there already.
const ENSURE_ROLE: &str = r"
DO $$
DECLARE
    it record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN
        BEGIN
            CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS;
        EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
        END;
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}' AND (rolsuper OR rolbypassrls)) THEN
        RAISE EXCEPTION 'the role {role} bypasses row security';
    END IF;
    IF NOT pg_has_role(current_user, '{role}', 'MEMBER') THEN
        EXECUTE format('GRANT {role} TO %I', current_user);
    END IF;
    IF NOT has_schema_privilege('{role}', current_schema(), 'USAGE') THEN
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO {role}', current_schema());
    END IF;
    FOR it IN
        SELECT c.oid, c.relname, c.relkind FROM pg_class c
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'S') AND c.relname ~ '^(ai_|enrichment_)'
    LOOP
        IF it.relkind = 'S' THEN
            IF NOT has_sequence_privilege('{role}', it.oid, 'USAGE') THEN
                EXECUTE format('GRANT USAGE, SELECT ON SEQUENCE %I TO {role}', it.relname);
            END IF;
        ELSIF NOT (has_table_privilege('{role}', it.oid, 'SELECT') AND has_table_privilege('{role}', it.oid, 'INSERT')
               AND has_table_privilege('{role}', it.oid, 'UPDATE') AND has_table_privilege('{role}', it.oid, 'DELETE')) THEN
            EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON TABLE %I TO {role}', it.relname);
        END IF;
    END LOOP;
END
$$";
