//! Is a process id really the server of a cluster? Ids are used again, in
//! containers after every restart, so a live process alone proves nothing.

use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;

use super::cluster::PORT;
use crate::error::{Context, Result};

/// Whether `pid` is a live (not a zombie) postgres that was started with `-D dir`.
#[cfg(target_os = "linux")]
pub(super) fn is_postmaster_of(pid: Pid, dir: &Path) -> bool {
    use std::os::unix::ffi::OsStrExt;

    // A zombie's command line is empty.
    let Ok(line) = std::fs::read(format!("/proc/{pid}/cmdline")) else {
        return false;
    };
    let mut arguments = line.split(|byte| *byte == 0);
    let is_postgres = arguments.next().is_some_and(|program| program.ends_with(b"postgres"));
    is_postgres && arguments.any(|argument| argument == dir.as_os_str().as_bytes())
}

/// Whether `pid` is a live (not a zombie) postgres that was started with `-D dir`.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_postmaster_of(pid: Pid, dir: &Path) -> bool {
    let output = std::process::Command::new("ps")
        .args(["-ww", "-o", "stat=,command=", "-p", &pid.to_string()])
        .output();
    output.is_ok_and(|output| {
        let line = String::from_utf8_lossy(&output.stdout);
        let wanted = format!("postgres -D {} ", dir.display());
        !line.trim_start().starts_with('Z') && line.contains(&wanted)
    })
}

/// Postgres removes the lock files of a dead server itself, but stops at one
/// whose id now belongs to another process of the same user, or to a zombie.
pub(super) fn remove_misleading_pid_files(dir: &Path, socket_dir: &Path) -> Result<()> {
    remove_if_misleading(&dir.join("postmaster.pid"), dir)?;
    remove_if_misleading(&socket_lock(socket_dir), dir)
}

/// The server that says it listens on the socket.
pub(super) fn socket_holder(socket_dir: &Path) -> Option<Pid> {
    let text = std::fs::read_to_string(socket_lock(socket_dir)).ok()?;
    text.lines().next()?.trim().parse().ok().map(Pid::from_raw)
}

fn socket_lock(socket_dir: &Path) -> PathBuf {
    socket_dir.join(format!(".s.PGSQL.{PORT}.lock"))
}

fn remove_if_misleading(path: &Path, dir: &Path) -> Result<()> {
    let Ok(text) = std::fs::read_to_string(path) else {
        return Ok(());
    };
    let first = text.lines().next().unwrap_or_default().trim();
    let is_misleading = match first.parse().map(Pid::from_raw) {
        Ok(pid) => kill(pid, None) != Err(Errno::ESRCH) && !is_postmaster_of(pid, dir),
        // Empty or cut: written by a server whose disk was full or that was killed at once.
        Err(_) => true,
    };
    if is_misleading {
        tracing::info!(path = %path.display(), pid = first, "a stale lock file names no server of this cluster; it is removed");
        std::fs::remove_file(path).context("removing a stale lock file of the embedded Postgres")?;
    }
    Ok(())
}
