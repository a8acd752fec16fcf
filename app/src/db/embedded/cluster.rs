//! One Postgres cluster: everything that is needed to make, start and reach it.

use std::path::{Path, PathBuf};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgSslMode};
use secrecy::{ExposeSecret, SecretString};

use super::install::Installation;
use super::user::ServerUser;

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
#[derive(Clone)]
pub(super) struct Cluster {
    /// `PGDATA`, absolute.
    pub(super) dir: PathBuf,
    /// What the server prints.
    pub(super) log: PathBuf,
    /// 0700, holds the socket.
    pub(super) socket_dir: PathBuf,
    pub(super) installation: Installation,
    pub(super) user: ServerUser,
    pub(super) password: SecretString,
    pub(super) profile: Profile,
}

impl Cluster {
    /// A command of this installation: as the server's user, with an empty
    /// environment (no key of ours reaches the server) and a folder that the
    /// user can be in.
    pub(super) fn command(&self, program: &str) -> std::process::Command {
        let mut command = std::process::Command::new(self.installation.program(program));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("TZ", "UTC")
            .current_dir("/");
        self.user.apply(&mut command);
        command
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
