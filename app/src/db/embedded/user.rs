//! Who the server runs as.
//!
//! Postgres refuses to run as root. When Tandem is root the server runs as the
//! cluster's owner, or as `embedded.run_as` for a new cluster; otherwise it
//! runs as the user who started Tandem.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;

use nix::unistd::{Gid, Uid, User};

use crate::error::{Error, Result};

/// The account of the server.
#[derive(Clone, Debug)]
pub(super) struct ServerUser {
    pub(super) uid: Uid,
    gid: Gid,
    /// Whether Tandem is another user (root) and has to switch.
    switch: bool,
}

impl ServerUser {
    /// The owner of `cluster` when it exists and Tandem is root, else `run_as` or the own user.
    pub(super) fn choose(run_as: &str, cluster: Option<&Path>) -> Result<Self> {
        let own = nix::unistd::geteuid();
        if !own.is_root() {
            return Self::ordinary(own, cluster);
        }
        let owner = cluster.and_then(|dir| std::fs::metadata(dir).ok());
        if let Some(owner) = owner.filter(|owner| owner.uid() != 0) {
            let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
            return Ok(Self { uid, gid, switch: true });
        }
        match User::from_name(run_as) {
            Ok(Some(user)) if !user.uid.is_root() => Ok(Self { uid: user.uid, gid: user.gid, switch: true }),
            Ok(Some(_)) => Err(unusable(run_as, "is root, which Postgres refuses")),
            Ok(None) => Err(unusable(run_as, "does not exist")),
            Err(error) => Err(unusable(run_as, &format!("cannot be looked up ({error})"))),
        }
    }

    fn ordinary(own: Uid, cluster: Option<&Path>) -> Result<Self> {
        let owner = cluster.and_then(|dir| std::fs::metadata(dir).ok());
        if let (Some(dir), Some(owner)) = (cluster, owner)
            && owner.uid() != own.as_raw()
        {
            return Err(Error::startup(
                format!(
                    "the embedded Postgres in {} belongs to user id {}, you are user id {own}",
                    dir.display(),
                    owner.uid()
                ),
                "run Tandem as that user or as root, or set DATA_DIR to a folder of your own",
            ));
        }
        Ok(Self { uid: own, gid: nix::unistd::getegid(), switch: false })
    }

    /// Makes a child run as this user. std clears the supplementary groups with it.
    pub(super) fn apply(&self, command: &mut std::process::Command) {
        if self.switch {
            command.uid(self.uid.as_raw()).gid(self.gid.as_raw());
        }
    }

    /// Gives a path to this user.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        if !self.switch {
            return Ok(());
        }
        nix::unistd::chown(path, Some(self.uid), Some(self.gid)).map_err(|error| {
            Error::startup(
                format!("{} cannot be given to user {self}: {error}", path.display()),
                "run Tandem as an ordinary user, or set DATA_DIR to a folder on a local disk",
            )
        })
    }

    /// Whether this user may enter every folder above `path` and read what is there.
    /// Judged by owner and mode; access lists are not looked at.
    pub(super) fn can_reach(&self, path: &Path) -> bool {
        if !self.switch {
            return true;
        }
        let enters = path.ancestors().skip(1).all(|dir| self.may(dir, 0o1));
        enters && (!path.exists() || self.may(path, 0o5))
    }

    fn may(&self, path: &Path, wanted: u32) -> bool {
        let Ok(metadata) = std::fs::metadata(path) else {
            return false;
        };
        let shift = if metadata.uid() == self.uid.as_raw() {
            6
        } else if metadata.gid() == self.gid.as_raw() {
            3
        } else {
            0
        };
        (metadata.mode() >> shift) & wanted == wanted
    }
}

impl std::fmt::Display for ServerUser {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match User::from_uid(self.uid) {
            Ok(Some(user)) => out.write_str(&user.name),
            _ => write!(out, "{}", self.uid),
        }
    }
}

fn unusable(run_as: &str, why: &str) -> Error {
    Error::startup(
        format!("the embedded Postgres cannot run as user {run_as}: it {why}"),
        "set EMBEDDED_RUN_AS to an existing unprivileged user, or run Tandem as an ordinary user",
    )
}

/// Files that root makes in a folder of somebody else stay usable for them.
pub(super) fn give_to_owner_of(dir: &Path, path: &Path) {
    if !nix::unistd::geteuid().is_root() {
        return;
    }
    if let Ok(owner) = std::fs::metadata(dir)
        && owner.uid() != 0
    {
        let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
        crate::error::CanFail::can_fail(
            nix::unistd::chown(path, Some(uid), Some(gid)),
            "the file stays root's, which root can live with",
        );
    }
}
