//! The locks of a data directory, all `flock`s: they end with their process.
//!
//! - `serve.lock`: held by the one `tandem serve`; its text is the holder's pid.
//! - `start.lock`: held while the cluster is made, started or stopped.
//! - `users.lock`: shared by everybody who uses the cluster. Whoever leaves and
//!   can take it exclusively was the last one, and stops the server. It is only
//!   taken exclusively under `start.lock`, so nobody slips in meanwhile.
//! - `postgres.lock`: held by initdb, or by the server's own processes.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::cluster::Cluster;
use super::place::Place;
use super::user::give_to_owner_of;
use crate::error::{Context, Error, Result};

/// Longest wait for another process to finish starting or stopping: crash
/// recovery and a shutdown's checkpoint are inside it.
const START_WAIT_MAX: Duration = Duration::from_mins(2);

/// How long processes of a killed server may need to notice its end, or a server whose starter
/// was killed to show itself; both on a busy machine.
const LEFTOVERS_WAIT_MAX: Duration = Duration::from_secs(15);

const START_POLL: Duration = Duration::from_millis(10);

/// The only `tandem serve` of a data directory.
#[derive(Debug)]
pub(super) struct ServeLock {
    _lock: Flock<File>,
}

impl ServeLock {
    pub(super) fn take(place: &Place) -> Result<Self> {
        let path = place.file("serve.lock");
        match Flock::lock(open(place, &path)?, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                lock.set_len(0).context("emptying serve.lock")?;
                writeln!(lock, "{}", std::process::id()).context("writing serve.lock")?;
                Ok(Self { _lock: lock })
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid).context("reading serve.lock")?;
                let (dir, pid) = (place.data_dir.display(), pid.trim());
                Err(Error::startup(
                    format!("another tandem serve (pid {pid}) is running on DATA_DIR {dir}"),
                    format!("stop it (kill {pid}), or set DATA_DIR to another folder"),
                ))
            }
            Err((_, errno)) => Err(unlockable(&path, errno)),
        }
    }
}

/// Held while the cluster is made, started or stopped.
#[derive(Debug)]
pub(super) struct StartLock {
    _lock: Flock<File>,
}

impl StartLock {
    /// Waits, with a bound.
    pub(super) async fn take(place: &Place) -> Result<Self> {
        let deadline = Instant::now() + START_WAIT_MAX;
        loop {
            if let Some(lock) = Self::try_take(place)? {
                return Ok(lock);
            }
            if Instant::now() > deadline {
                return Err(Error::startup(
                    format!(
                        "another process has been starting or stopping the embedded Postgres for {} s",
                        START_WAIT_MAX.as_secs()
                    ),
                    format!(
                        "see {} for what it does, or stop that process",
                        place.file("postgres.log").display()
                    ),
                ));
            }
            tokio::time::sleep(START_POLL).await;
        }
    }

    /// `None` when another process holds it.
    pub(super) fn try_take(place: &Place) -> Result<Option<Self>> {
        let path = place.file("start.lock");
        match Flock::lock(open(place, &path)?, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self { _lock: lock })),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, errno)) => Err(unlockable(&path, errno)),
        }
    }
}

/// A share in the running cluster.
#[derive(Debug)]
pub(super) struct UserLock {
    lock: Flock<File>,
}

impl UserLock {
    /// Joins; only under the start lock, so it never has to wait.
    pub(super) fn join(place: &Place, _under: &StartLock) -> Result<Self> {
        let path = place.file("users.lock");
        Flock::lock(open(place, &path)?, FlockArg::LockSharedNonblock)
            .map(|lock| Self { lock })
            .map_err(|(_, errno)| unlockable(&path, errno))
    }

    /// Whether nobody else uses the cluster. Either way the share may be lost:
    /// flock changes a lock by giving it up first.
    pub(super) fn is_last(&self, _under: &StartLock) -> bool {
        self.lock.relock(FlockArg::LockExclusiveNonblock).is_ok()
    }
}

/// A locked file that becomes the server's standard input: see [`of_programs`].
/// `None` once a server is there after all: the lock is that one's.
pub(super) async fn of_server(cluster: &Cluster, is_there: impl Fn() -> bool) -> Result<Option<File>> {
    taken(cluster, LEFTOVERS_WAIT_MAX, is_there).await
}

/// A locked file that becomes a program's standard input. All of its processes
/// inherit it, so it is free exactly when the last of them is gone: after a
/// crash, and also when process ids tell nothing because the server runs in
/// another container on the same volume.
pub(super) async fn of_programs(cluster: &Cluster, wait_max: Duration) -> Result<File> {
    match taken(cluster, wait_max, || false).await? {
        Some(file) => Ok(file),
        None => Err(in_use(cluster)),
    }
}

/// Waits for the lock, with a bound, unless there is no need to any more.
async fn taken(
    cluster: &Cluster,
    wait_max: Duration,
    is_needless: impl Fn() -> bool,
) -> Result<Option<File>> {
    let path = cluster.log.with_extension("lock");
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .context("opening postgres.lock")?;
    give_to_owner_of(path.parent().unwrap_or(&path), &path);
    let deadline = Instant::now() + wait_max;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(file)),
            Err(TryLockError::Error(error)) => return Err(error).context("locking postgres.lock"),
            Err(TryLockError::WouldBlock) if is_needless() => return Ok(None),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(START_POLL).await;
            }
            Err(TryLockError::WouldBlock) => return Err(in_use(cluster)),
        }
    }
}

fn in_use(cluster: &Cluster) -> Error {
    Error::startup(
        format!("processes of another Postgres still use the cluster in {}", cluster.dir.display()),
        "stop the Tandem that runs on this DATA_DIR, perhaps in another container, or end those processes",
    )
}

fn open(place: &Place, path: &PathBuf) -> Result<File> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| {
            Error::startup(
                format!("DATA_DIR cannot be used: {}: {error}", path.display()),
                "make DATA_DIR and the files in it writable for the user who runs Tandem, or set DATA_DIR to a folder of your own",
            )
        })?;
    give_to_owner_of(&place.data_dir, path);
    Ok(file)
}

fn unlockable(path: &Path, errno: Errno) -> Error {
    Error::startup(
        format!("{} cannot be locked: {errno}", path.display()),
        "set DATA_DIR to a folder on a local disk; some network file systems cannot lock files",
    )
}
