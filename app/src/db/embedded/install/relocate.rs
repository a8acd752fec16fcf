//! A copy of the programs for a server user who cannot reach the original.
//!
//! Root may keep its checkout, and so the cache, in a folder that only root
//! can enter. The server does not run as root, so the programs are copied
//! once to a folder that everybody can enter.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Installation;
use crate::db::embedded::place::SHARED_STATE;
use crate::db::embedded::user::ServerUser;
use crate::error::{Error, Result};

/// The installation itself, or its reachable copy.
pub(in crate::db::embedded) fn reachable_copy(
    installation: Installation,
    user: &ServerUser,
) -> Result<Installation> {
    if user.can_reach(&installation.program("postgres")) {
        return Ok(installation);
    }
    let base = base_of(&installation.bin_dir);
    let target = Path::new(SHARED_STATE).join(format!("postgres-{}", identity(&installation)));
    if !target.is_dir() {
        tracing::info!(
            from = %base.display(), to = %target.display(), user = %user,
            "the Postgres programs are copied to where the server's user can reach them"
        );
        copy_once(&base, &installation.bin_dir, &target).map_err(|error| {
            Error::startup(
                format!(
                    "user {user} cannot reach the Postgres programs in {}, and copying them to {} failed: {error}",
                    installation.bin_dir.display(),
                    target.display()
                ),
                "run `make setup` with TANDEM_CACHE_DIR set to a folder that every user can enter, \
                 or run Tandem as an ordinary user",
            )
        })?;
    }
    let relative = installation.bin_dir.strip_prefix(&base).unwrap_or(Path::new("bin"));
    Ok(Installation { bin_dir: target.join(relative), ..installation })
}

/// The folder to copy: the wheel keeps libraries two levels above its root, in `*.libs`.
fn base_of(bin_dir: &Path) -> PathBuf {
    let root = bin_dir.parent().unwrap_or(bin_dir);
    let wheel = root.parent().and_then(Path::parent).filter(|dir| {
        std::fs::read_dir(dir).is_ok_and(|entries| {
            entries
                .flatten()
                .any(|entry| Path::new(&entry.file_name()).extension().is_some_and(|end| end == "libs"))
        })
    });
    wheel.unwrap_or(root).to_path_buf()
}

/// Changes whenever the programs do.
fn identity(installation: &Installation) -> String {
    let program = installation.program("postgres");
    let stamp = std::fs::metadata(&program).map_or((0, 0), |file| (file.mtime(), file.size()));
    let digest = Sha256::digest(format!("{} {stamp:?}", program.display()).as_bytes());
    crate::db::embedded::place::short_hex(&digest)
}

/// All or nothing, by rename: a copy that was interrupted is never used.
fn copy_once(base: &Path, bin_dir: &Path, target: &Path) -> std::io::Result<()> {
    let partial = target.with_extension(format!("new-{}", std::process::id()));
    std::fs::create_dir_all(SHARED_STATE)?;
    open_to_all(Path::new(SHARED_STATE))?;
    let root = bin_dir.parent().unwrap_or(bin_dir);
    let mut pending = if base == root {
        ["bin", "lib", "share"].map(|name| base.join(name)).to_vec()
    } else {
        vec![base.to_path_buf()]
    };
    while let Some(from) = pending.pop() {
        let Ok(relative) = from.strip_prefix(base) else {
            continue;
        };
        let to = partial.join(relative);
        if from.is_dir() {
            std::fs::create_dir_all(&to)?;
            for entry in std::fs::read_dir(&from)? {
                pending.push(entry?.path());
            }
        } else if from.exists() {
            std::fs::copy(&from, &to)?;
        } else {
            continue;
        }
        open_to_all(&to)?;
    }
    open_to_all(&partial)?;
    match std::fs::rename(&partial, target) {
        Err(_) if target.is_dir() => std::fs::remove_dir_all(&partial), // another process was faster
        result => result,
    }
}

fn open_to_all(path: &Path) -> std::io::Result<()> {
    let metadata = std::fs::metadata(path)?;
    let executable = metadata.is_dir() || metadata.permissions().mode() & 0o100 != 0;
    let mode = if executable { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}
