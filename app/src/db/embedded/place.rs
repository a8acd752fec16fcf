//! Where the parts of an embedded Postgres are.
//!
//! ```text
//! DATA_DIR/postgres            the cluster (or DATA_DIR/postgres.location names where it is)
//! DATA_DIR/postgres.log        what the server prints
//! DATA_DIR/postgres.password   0600
//! DATA_DIR/*.lock              see `locks`
//! /tmp/tandem-<hash>           0700, the socket: its path must fit in 107 bytes (103 on macOS)
//! ```

use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::user::{ServerUser, give_to_owner_of};
use crate::error::{Error, Result};

/// Where root keeps what the server's user must reach but cannot in `DATA_DIR`.
pub(super) const SHARED_STATE: &str = "/var/lib/tandem";

/// Candidates for the socket folder's parent. Fixed and not `TMPDIR`, so that
/// two processes with different environments look in the same place.
const SOCKET_PARENTS: [&str; 3] = ["/tmp", "/var/tmp", "/dev/shm"];

/// How often another name is tried when somebody else holds ours.
const SOCKET_NAMES_MAX: u32 = 8;

const POINTER: &str = "postgres.location";

/// A data directory that exists.
#[derive(Clone, Debug)]
pub(super) struct Place {
    /// Canonical path of `DATA_DIR`.
    pub(super) data_dir: PathBuf,
}

impl Place {
    /// Makes the data directory when it is missing.
    pub(super) fn open(data_dir: &Path) -> Result<Self> {
        // Root's server runs as another user, who must be able to enter.
        let mode = if nix::unistd::geteuid().is_root() { 0o755 } else { 0o700 };
        let created = std::fs::DirBuilder::new().recursive(true).mode(mode).create(data_dir);
        let data_dir = created.and_then(|()| data_dir.canonicalize()).map_err(|error| {
            Error::startup(
                format!("DATA_DIR {} cannot be made or entered: {error}", data_dir.display()),
                "set DATA_DIR to a folder that you own",
            )
        })?;
        Ok(Self { data_dir })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.data_dir.join(name)
    }

    /// The cluster, if there is one.
    pub(super) fn existing_cluster(&self) -> Result<Option<PathBuf>> {
        let own = self.file("postgres");
        if own.join("PG_VERSION").exists() || !self.file(POINTER).exists() {
            return Ok(own.join("PG_VERSION").exists().then_some(own));
        }
        let pointer = self.file(POINTER);
        let text = std::fs::read_to_string(&pointer).map_err(|error| unreadable(&pointer, &error))?;
        let cluster = PathBuf::from(text.trim_end());
        if cluster.join("PG_VERSION").exists() {
            return Ok(Some(cluster));
        }
        // Never an empty cluster in the place of one that held data.
        Err(Error::startup(
            format!(
                "the cluster of DATA_DIR {} was in {} and is gone",
                self.data_dir.display(),
                cluster.display()
            ),
            format!(
                "bring that folder back (in a container: mount it), or delete {} to start with an empty one",
                pointer.display()
            ),
        ))
    }

    /// Where a new cluster goes: below `DATA_DIR` when the server's user can get there.
    pub(super) fn new_cluster(&self, user: &ServerUser) -> Result<PathBuf> {
        let own = self.file("postgres");
        if user.can_reach(&own) {
            return Ok(own);
        }
        let parent = Path::new(SHARED_STATE).join(self.short_name());
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o755).create(&parent);
        if made.is_err() || !user.can_reach(&parent.join("postgres")) {
            return Err(Error::startup(
                format!(
                    "user {user}, who runs the embedded Postgres, can reach neither DATA_DIR {} nor {}",
                    self.data_dir.display(),
                    parent.display()
                ),
                "set DATA_DIR to a folder below one that every user can enter (for example /srv/tandem), or run Tandem as an ordinary user",
            ));
        }
        let cluster = parent.join("postgres");
        tracing::warn!(
            data_dir = %self.data_dir.display(), cluster = %cluster.display(), user = %user,
            "the server's user cannot reach DATA_DIR, so the embedded Postgres keeps its cluster elsewhere; back up both"
        );
        Ok(cluster)
    }

    /// Remembers a cluster that is not below `DATA_DIR`.
    pub(super) fn remember(&self, cluster: &Path) -> Result<()> {
        if cluster.starts_with(&self.data_dir) {
            return Ok(());
        }
        let pointer = self.file(POINTER);
        std::fs::write(&pointer, format!("{}\n", cluster.display()))
            .map_err(|error| unreadable(&pointer, &error))?;
        give_to_owner_of(&self.data_dir, &pointer);
        Ok(())
    }

    /// Stable and short, whatever the path's length.
    fn short_name(&self) -> String {
        short_hex(&Sha256::digest(self.data_dir.as_os_str().as_bytes()))
    }

    /// Makes or finds the socket's folder: 0700 and the server user's own.
    pub(super) fn socket_dir(&self, user: &ServerUser) -> Result<PathBuf> {
        let name = format!("tandem-{}", self.short_name());
        let mut last = None;
        for parent in SOCKET_PARENTS {
            for number in 0..SOCKET_NAMES_MAX {
                let suffix = if number == 0 { String::new() } else { format!("-{number}") };
                let dir = Path::new(parent).join(format!("{name}{suffix}"));
                match private_dir(&dir, user) {
                    Ok(true) => return Ok(dir),
                    Ok(false) => {} // somebody else's: the next name
                    Err(error) => {
                        last = Some(error);
                        break;
                    }
                }
            }
        }
        let why =
            last.map_or_else(|| "all names are taken by other users".to_owned(), |error| error.to_string());
        Err(Error::startup(
            format!(
                "no private folder for the embedded Postgres's socket could be made in {}: {why}",
                SOCKET_PARENTS.join(", ")
            ),
            "make /tmp writable, or remove folders named tandem-* that are not yours",
        ))
    }
}

/// Whether `dir` is now a folder that only `user` can enter. A symlink, another
/// owner or an open mode means that somebody else made it: it is left alone.
fn private_dir(dir: &Path, user: &ServerUser) -> std::io::Result<bool> {
    match std::fs::DirBuilder::new().mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    let metadata = std::fs::symlink_metadata(dir)?;
    if !metadata.is_dir() || metadata.mode() & 0o077 != 0 {
        return Ok(false);
    }
    if metadata.uid() == user.uid.as_raw() {
        return Ok(true);
    }
    // Ours, made as root a moment ago or before a crash. The folders above are
    // sticky or root's, so nobody can have exchanged it in between.
    if metadata.uid() == nix::unistd::geteuid().as_raw() {
        return user.own(dir).map(|()| true).map_err(std::io::Error::other);
    }
    Ok(false)
}

/// Sixteen hexadecimal digits.
pub(super) fn short_hex(digest: &[u8]) -> String {
    digest.iter().take(8).fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    Error::startup(
        format!("{} cannot be read or written: {error}", path.display()),
        "make DATA_DIR and the files in it readable and writable for the user who runs Tandem",
    )
}
