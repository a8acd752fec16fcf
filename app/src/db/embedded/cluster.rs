//! One Postgres cluster: everything that is needed to make, start and reach it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use secrecy::{ExposeSecret, SecretString};

use super::install::{self, Installation};
use super::user::ServerUser;
use crate::config::Embedded;
use crate::error::Result;

/// The cluster's only role.
pub(super) const ROLE: &str = "tandem";

/// Only names the socket file: nothing listens on a port.
pub(super) const PORT: u16 = 5432;

/// What a cluster is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Profile {
    /// Holds somebody's data.
    Durable,
    /// Lives as long as a test run; nothing is made safe on disk.
    Throwaway,
}

/// A cluster that exists or is about to.
pub(super) struct Cluster {
    /// `PGDATA`, absolute.
    pub(super) dir: PathBuf,
    /// What the server prints.
    pub(super) log: PathBuf,
    /// 0700, holds the socket.
    pub(super) socket_dir: PathBuf,
    pub(super) programs: Programs,
    pub(super) user: ServerUser,
    pub(super) password: SecretString,
    pub(super) profile: Profile,
}

/// The installation, looked for when it is first needed: attaching to a running
/// server needs none.
pub(super) struct Programs {
    settings: Embedded,
    major: Option<u32>,
    found: OnceLock<Installation>,
}

impl Programs {
    /// Those of a major version, or the best for a new cluster.
    pub(super) fn new(settings: &Embedded, major: Option<u32>) -> Self {
        Self { settings: settings.clone(), major, found: OnceLock::new() }
    }
}

impl Cluster {
    /// Where the programs are, for this cluster's user.
    pub(super) fn installation(&self) -> Result<&Installation> {
        if let Some(found) = self.programs.found.get() {
            return Ok(found);
        }
        let found = install::find(&self.programs.settings, self.programs.major)?;
        let found = install::reachable_copy(found, &self.user)?;
        Ok(self.programs.found.get_or_init(|| found))
    }

    /// A command of this installation: as the server's user, with an empty
    /// environment (no key of ours reaches the server) and a folder that the
    /// user can be in.
    pub(super) fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(self.installation()?.program(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("TZ", "UTC").current_dir("/");
        self.user.apply(&mut command);
        Ok(command)
    }
}

/// How to reach a database through a socket folder.
pub(super) fn connect_options(
    socket_dir: &Path,
    password: &SecretString,
    database: &str,
) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(socket_dir)
        .port(PORT)
        .username(ROLE)
        .password(password.expose_secret())
        .database(database)
        .ssl_mode(PgSslMode::Disable)
}
