//! Making a new cluster: all or nothing, by rename.

use std::fs::File;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::Duration;

use super::cluster::{Cluster, Profile, ROLE};
use super::locks;
use super::password::write_private;
use crate::error::{CanFail, Context, Error, Result};

/// Bytewise order and Unicode classes, the same on every machine.
#[cfg(not(target_os = "macos"))]
const LOCALE: &[&str] = &["--locale=C.UTF-8"];

/// macOS has no C.UTF-8: bytewise order, and the classes of a locale that it always has.
#[cfg(target_os = "macos")]
const LOCALE: &[&str] = &["--locale=C", "--lc-ctype=en_US.UTF-8"];

/// How long an initdb of a killed process may go on.
const LEFTOVER_WAIT_MAX: Duration = Duration::from_mins(1);

/// Makes `cluster.dir`. Its parent exists.
pub(super) async fn create(cluster: &Cluster) -> Result<()> {
    let partial = cluster.dir.with_extension("new");
    let password_file = cluster.socket_dir.join("initdb.password");
    // An initdb whose Tandem was killed goes on by itself and would meet this one.
    let lock = locks::of_programs(cluster, LEFTOVER_WAIT_MAX).await?;
    prepare(cluster, &partial, &password_file)?;

    let mut command = cluster.command("initdb")?;
    command
        .stdin(lock)
        .arg("--pgdata")
        .arg(&partial)
        .arg("--pwfile")
        .arg(&password_file)
        .args(["--username", ROLE, "--encoding=UTF8", "--auth-local=scram-sha-256", "--auth-host=reject"])
        .args(LOCALE)
        // One sync at the end instead of one a file.
        .arg("--no-sync");
    if cluster.profile == Profile::Durable {
        command.arg("--data-checksums");
    }
    let output = tokio::process::Command::from(command).output().await;
    std::fs::remove_file(&password_file)
        .can_fail("the file is in a private folder and is replaced next time");

    let output = output.context("running initdb")?;
    if !output.status.success() {
        return Err(failed(&output));
    }
    if cluster.profile == Profile::Durable {
        let made = partial.clone();
        tokio::task::spawn_blocking(move || sync(&made)).await.context("syncing the new cluster")??;
    }
    std::fs::rename(&partial, &cluster.dir).context("naming the new cluster")?;
    if let Some(parent) = cluster.dir.parent().filter(|_| cluster.profile == Profile::Durable) {
        File::open(parent).and_then(|dir| dir.sync_all()).context("syncing DATA_DIR")?;
    }
    Ok(())
}

fn prepare(cluster: &Cluster, partial: &Path, password_file: &Path) -> Result<()> {
    if partial.exists() {
        // Left by a process that was killed while it made the cluster.
        std::fs::remove_dir_all(partial).context("removing an unfinished cluster")?;
    }
    std::fs::DirBuilder::new().mode(0o700).create(partial).map_err(|error| {
        Error::startup(
            format!("the cluster cannot be made at {}: {error}", partial.display()),
            "make DATA_DIR writable for the user who runs Tandem, or set it to another folder",
        )
    })?;
    cluster.user.own(partial)?;
    write_private(password_file, &cluster.password).context("writing initdb's password file")?;
    cluster.user.own(password_file)
}

/// One system call for the whole file system where there is one.
fn sync(dir: &Path) -> Result<()> {
    let dir = File::open(dir).context("opening the new cluster")?;
    #[cfg(target_os = "linux")]
    nix::unistd::syncfs(&dir).context("syncing the new cluster")?;
    #[cfg(not(target_os = "linux"))]
    {
        drop(dir);
        nix::unistd::sync();
    }
    Ok(())
}

fn failed(output: &std::process::Output) -> Error {
    let printed = String::from_utf8_lossy(&output.stderr);
    let reasons: Vec<&str> = printed
        .lines()
        .filter(|line| line.contains("error:") || line.contains("FATAL") || line.contains("detail:"))
        .collect();
    let reason = if reasons.is_empty() { printed.trim().to_owned() } else { reasons.join("; ") };
    let remedy = if printed.contains("could not look up effective user ID") {
        "give the user who runs Tandem a line in /etc/passwd, or set DATABASE_URL to a server of your own"
    } else {
        "free disk space, or set DATA_DIR to another folder, or POSTGRES_DIR to another Postgres, as the message above says"
    };
    Error::startup(format!("initdb could not make a cluster: {reason}"), remedy)
}
