//! The server process: is it there, start it, stop it.

use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::cluster::Cluster;
use super::{flags, locks, process, server_log};
use crate::error::{Context, Error, Result};

/// Longest wait for a server to accept connections, crash recovery included.
const START_MAX: Duration = Duration::from_mins(1);
/// Longest wait for a fast shutdown, whose checkpoint writes what is dirty.
const STOP_MAX: Duration = Duration::from_mins(1);
/// Then an immediate shutdown, which loses nothing: the next start recovers.
const QUIT_MAX: Duration = Duration::from_secs(5);

const POLL: Duration = Duration::from_millis(3);
const LOG_LINES_SHOWN: usize = 12;

/// A server that was started or adopted.
#[derive(Debug)]
pub(super) struct Postmaster {
    pub(super) pid: Pid,
    /// Where it really listens: an adopted one may have chosen another name.
    pub(super) socket_dir: PathBuf,
    /// Present when it is our child, which we must reap.
    child: Option<Child>,
}

/// What `postmaster.pid` says about a server that is really running.
struct PidFile {
    pid: Pid,
    socket_dir: PathBuf,
    status: String,
}

impl Postmaster {
    /// Attaches to the cluster's server, or starts it, and waits until it accepts connections.
    /// The caller holds the start lock.
    pub(super) async fn ensure(cluster: &Cluster) -> Result<Self> {
        let deadline = Instant::now() + START_MAX;
        loop {
            while let Some(found) = running(&cluster.dir) {
                match found.status.as_str() {
                    "ready" | "standby" => {
                        tracing::debug!(pid = %found.pid, "attached to the running embedded Postgres");
                        return Ok(Self { pid: found.pid, socket_dir: found.socket_dir, child: None });
                    }
                    // Starting (then it becomes ready) or stopping (then it goes away).
                    _ if Instant::now() < deadline => tokio::time::sleep(POLL).await,
                    status => return Err(stuck(cluster, found.pid, status)),
                }
            }
            end_detached(cluster).await?;
            // Whoever started it may have been killed before it had a pid file: it has the lock,
            // and shows itself a moment later.
            if let Some(lock) = locks::of_server(cluster, || running(&cluster.dir).is_some()).await? {
                return Self::start(cluster, lock).await;
            }
        }
    }

    async fn start(cluster: &Cluster, lock: File) -> Result<Self> {
        let began = Instant::now();
        process::remove_misleading_pid_files(&cluster.dir, &cluster.socket_dir)?;
        let log_offset = server_log::length(&cluster.log);
        let mut child = spawn(cluster, lock)?;
        if !wait_until_ready(cluster, &mut child).await? {
            return Err(refused(cluster, &server_log::since(&cluster.log, log_offset)));
        }
        let pid = pid_of(&child)?;
        tracing::debug!(%pid, took_ms = began.elapsed().as_millis(), "started the embedded Postgres");
        Ok(Self { pid, socket_dir: cluster.socket_dir.clone(), child: Some(child) })
    }

    /// Whether the process is still there. Reaps it when it was our child.
    pub(super) fn is_alive(&mut self, dir: &Path) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => process::is_postmaster_of(self.pid, dir),
        }
    }

    /// Follows the cluster to a server that another process started since.
    fn follow(&mut self, dir: &Path) {
        if !self.is_alive(dir)
            && let Some(found) = running(dir)
        {
            *self = Self { pid: found.pid, socket_dir: found.socket_dir, child: None };
        }
    }

    /// Asks for a fast shutdown and does not wait.
    pub(super) fn interrupt(&mut self, dir: &Path) {
        self.follow(dir);
        if self.is_alive(dir) {
            // It may end between the two calls, which is what we want anyway.
            let _ = kill(self.pid, Signal::SIGINT);
        }
    }

    /// Fast shutdown; immediate when that takes too long.
    pub(super) async fn stop(&mut self, dir: &Path) -> Result<()> {
        self.follow(dir);
        for (signal, wait) in [(Signal::SIGINT, STOP_MAX), (Signal::SIGQUIT, QUIT_MAX)] {
            if !self.is_alive(dir) {
                return Ok(());
            }
            let _ = kill(self.pid, signal);
            let deadline = Instant::now() + wait;
            while Instant::now() < deadline {
                if !self.is_alive(dir) {
                    return Ok(());
                }
                tokio::time::sleep(POLL).await;
            }
            tracing::warn!(pid = %self.pid, %signal, "the embedded Postgres does not stop");
        }
        Err(Error::startup(
            format!("the embedded Postgres (pid {}) does not stop", self.pid),
            format!("kill -9 {}; the next start recovers from it", self.pid),
        ))
    }
}

/// The live server of a cluster; a file left by a dead one counts as nothing.
fn running(dir: &Path) -> Option<PidFile> {
    let text = std::fs::read_to_string(dir.join("postmaster.pid")).ok()?;
    let mut lines = text.lines();
    let pid = Pid::from_raw(lines.next()?.trim().parse().ok()?);
    if !process::is_postmaster_of(pid, dir) {
        return None;
    }
    // Lines: pid, data directory, start time, port, socket folder, address, shared memory, status.
    let socket_dir = PathBuf::from(lines.nth(3).unwrap_or_default());
    let status = lines.nth(2).unwrap_or("starting").trim().to_owned();
    Some(PidFile { pid, socket_dir, status })
}

/// Ends a server whose `postmaster.pid` is gone, most likely with all of its
/// data (`rm -rf` of a `DATA_DIR` in use). It must not write into a successor's
/// files. An immediate shutdown loses nothing that was committed.
pub(super) async fn end_detached(cluster: &Cluster) -> Result<()> {
    let is_detached =
        |pid: &Pid| process::is_postmaster_of(*pid, &cluster.dir) && running(&cluster.dir).is_none();
    let Some(pid) = process::socket_holder(&cluster.socket_dir).filter(is_detached) else {
        return Ok(());
    };
    tracing::warn!(%pid, "a server whose files were removed still runs; it is stopped");
    let _ = kill(pid, Signal::SIGQUIT);
    let deadline = Instant::now() + QUIT_MAX;
    while process::is_postmaster_of(pid, &cluster.dir) {
        if Instant::now() > deadline {
            return Err(Error::startup(
                format!("process {pid} is a Postgres whose files were removed, and it does not stop"),
                format!("kill -9 {pid}, then start again"),
            ));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

fn spawn(cluster: &Cluster, lock: File) -> Result<Child> {
    let log = server_log::open(&cluster.log)?;
    let mut command = cluster.command("postgres")?;
    command.arg("-D").arg(&cluster.dir);
    for flag in flags::of(cluster, cluster.installation()?.major) {
        command.arg("-c").arg(flag);
    }
    command
        .stdin(lock)
        .stdout(log.try_clone().context("sharing the log file")?)
        .stderr(log)
        // Its own group: Ctrl-C in the terminal stops Tandem first, and Tandem stops the server.
        .process_group(0);
    command.spawn().map_err(|error| {
        Error::startup(
            format!("{} cannot be run: {error}", command.get_program().display()),
            "run `make setup` again, or set POSTGRES_DIR to a Postgres that runs on this machine",
        )
    })
}

/// `false` when the server ended instead.
async fn wait_until_ready(cluster: &Cluster, child: &mut Child) -> Result<bool> {
    let deadline = Instant::now() + START_MAX;
    let pid = pid_of(child)?;
    loop {
        if child.try_wait().context("watching the embedded Postgres")?.is_some() {
            return Ok(false);
        }
        if running(&cluster.dir).is_some_and(|found| found.pid == pid && found.status == "ready") {
            return Ok(true);
        }
        if Instant::now() > deadline {
            // Left alone: it may be recovering, and the next attempt finds it further on.
            return Err(stuck(cluster, pid, "starting"));
        }
        tokio::time::sleep(POLL).await;
    }
}

fn pid_of(child: &Child) -> Result<Pid> {
    i32::try_from(child.id()).map(Pid::from_raw).context("reading the server's pid")
}

fn refused(cluster: &Cluster, said: &str) -> Error {
    let lines: Vec<&str> = said.lines().collect();
    let shown = lines[lines.len().saturating_sub(LOG_LINES_SHOWN)..].join("\n    ");
    let remedy = if said.contains("No space left on device") {
        "free disk space where DATA_DIR is, then start again".to_owned()
    } else {
        format!("do what the lines above ask for; the whole log is {}", cluster.log.display())
    };
    Error::startup(format!("the embedded Postgres did not start:\n    {shown}"), remedy)
}

fn stuck(cluster: &Cluster, pid: Pid, status: &str) -> Error {
    Error::startup(
        format!("the embedded Postgres (pid {pid}) has been {status} for {} s", START_MAX.as_secs()),
        format!("it may be recovering: wait and start again; {} shows what it does", cluster.log.display()),
    )
}
