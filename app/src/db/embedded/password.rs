//! The cluster's password: random, made once, in a 0600 file of `DATA_DIR`.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use super::place::Place;
use super::user::give_to_owner_of;
use crate::error::{Error, Result};

/// Random bytes, 256 bits.
const LENGTH_BYTES: usize = 32;

/// Reads the password; makes one only when there is no cluster that needs the old one.
pub(super) fn of(place: &Place, has_cluster: bool) -> Result<SecretString> {
    let path = place.file("postgres.password");
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => {
            keep_private(&path)?;
            Ok(SecretString::from(text.trim().to_owned()))
        }
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(&path, &error)),
        _ if has_cluster => Err(Error::startup(
            format!("the password of the embedded Postgres, {}, is missing or empty", path.display()),
            "restore that file from a backup of DATA_DIR, or move DATA_DIR away to start with an empty one",
        )),
        _ => make(place, &path),
    }
}

/// A new random password.
pub(super) fn random() -> SecretString {
    SecretString::from(URL_SAFE_NO_PAD.encode(rand::random::<[u8; LENGTH_BYTES]>()))
}

/// Writes a secret to a new file that only its owner can read.
pub(super) fn write_private(path: &Path, password: &SecretString) -> std::io::Result<File> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{}", password.expose_secret())?;
    Ok(file)
}

fn make(place: &Place, path: &Path) -> Result<SecretString> {
    let password = random();
    // By rename: a process killed here leaves no half password behind.
    let partial = path.with_extension("password.new");
    write_private(&partial, &password)
        .and_then(|file| file.sync_all())
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(|error| failed(path, &error))?;
    give_to_owner_of(&place.data_dir, path);
    Ok(password)
}

fn keep_private(path: &Path) -> Result<()> {
    let metadata = std::fs::metadata(path).map_err(|error| failed(path, &error))?;
    if metadata.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "others could read the embedded Postgres's password; its mode is set to 0600");
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| failed(path, &error))?;
    }
    Ok(())
}

fn failed(path: &Path, error: &std::io::Error) -> Error {
    Error::startup(
        format!("{} cannot be read or written: {error}", path.display()),
        "run Tandem as the owner of DATA_DIR, or set DATA_DIR to a folder of your own",
    )
}
