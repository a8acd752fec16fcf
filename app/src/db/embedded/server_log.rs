//! `DATA_DIR/postgres.log`: what the server prints, bounded.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::user::give_to_owner_of;
use crate::error::{Context, Error, Result};

const BYTES_MAX: u64 = 10 * 1024 * 1024;

/// Opens the log for a server that is about to start. The server appends for
/// as long as it lives, so a long log is cut between two lives.
pub(super) fn open(path: &Path) -> Result<File> {
    if length(path) > BYTES_MAX {
        File::create(path).context("cutting postgres.log")?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path).map_err(|error| {
        Error::startup(
            format!("{} cannot be written: {error}", path.display()),
            "make DATA_DIR writable for the user who runs Tandem",
        )
    })?;
    give_to_owner_of(path.parent().unwrap_or(path), path);
    Ok(file)
}

/// Where the next line goes.
pub(super) fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

/// What was printed since the log had `offset` bytes.
pub(super) fn since(path: &Path, offset: u64) -> String {
    let bytes = std::fs::read(path).unwrap_or_default();
    let start = usize::try_from(offset).ok().filter(|start| *start <= bytes.len()).unwrap_or(0);
    String::from_utf8_lossy(&bytes[start..]).into_owned()
}
