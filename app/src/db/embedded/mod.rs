//! The embedded Postgres: a private cluster below `DATA_DIR`, reachable only by
//! a unix socket and a password, for a start without any set-up.
//!
//! Any number of processes share one server: the first starts it, the last one
//! out stops it (see `locks`). It is not tied to the process that started it,
//! so one killed by `kill -9` leaves a server that the next process adopts.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sea_orm::sqlx::postgres::PgConnectOptions;

use crate::config::Embedded;
use crate::error::{CanFail, Context, Error, Result};

mod cluster;
mod databases;
mod flags;
mod initdb;
pub mod install;
mod locks;
mod memory;
mod password;
mod place;
mod postmaster;
mod process;
mod server_log;
mod supervise;
mod throwaway;
mod user;

pub use throwaway::Throwaway;

use cluster::{Cluster, Profile, Programs};
use locks::{ServeLock, StartLock, UserLock};
use place::Place;
use postmaster::Postmaster;
use user::ServerUser;

/// How often a server may die under an opening process.
const USABLE_ATTEMPTS_MAX: u32 = 3;
/// A killed process is gone by then.
const DEATH_NOTICED_AFTER: Duration = Duration::from_millis(50);

/// Whether a data directory holds a cluster, or says where it is. Makes nothing.
pub fn has_cluster(data_dir: &Path) -> bool {
    let Ok(data_dir) = data_dir.canonicalize() else {
        return false;
    };
    // One that is gone is reported when it is opened.
    !matches!(Place { data_dir }.existing_cluster(), Ok(None))
}

/// Why a process opens the cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `tandem serve`: at most one per data directory.
    Serve,
    /// Any other command: attaches to a running server, or starts it for its own duration.
    Command,
}

/// A share in the running private cluster. [`EmbeddedServer::close`] it: a
/// dropped one asks the server to stop, but does not wait for it.
pub struct EmbeddedServer {
    place: Place,
    cluster: Cluster,
    postmaster: Mutex<Postmaster>,
    /// `None` once left.
    share: Option<UserLock>,
    _serve: Option<ServeLock>,
}

impl EmbeddedServer {
    /// Finds binaries, creates or adopts the cluster, starts it or attaches to it, waits until it
    /// accepts connections, and makes sure that the databases `core` and `ai` exist.
    pub async fn open(settings: &Embedded, purpose: Purpose) -> Result<Self> {
        let place = Place::open(&settings.data_dir)?;
        let serve = match purpose {
            Purpose::Serve => Some(ServeLock::take(&place)?),
            Purpose::Command => None,
        };
        let start = StartLock::take(&place).await?;
        let share = UserLock::join(&place, &start)?;
        let cluster = ready_cluster(settings, &place).await?;
        let postmaster = usable_server(&cluster).await?;
        drop(start);
        Ok(Self { place, cluster, postmaster: Mutex::new(postmaster), share: Some(share), _serve: serve })
    }

    /// How to reach one of the cluster's databases. Holds the password.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        cluster::connect_options(&self.postmaster().socket_dir, &self.cluster.password, database)
    }

    /// The canonical path of `DATA_DIR`.
    pub fn data_dir(&self) -> &Path {
        &self.place.data_dir
    }

    /// Where the cluster's files are: below `DATA_DIR`, unless the server's user cannot go there.
    pub fn cluster_dir(&self) -> &Path {
        &self.cluster.dir
    }

    /// The 0700 folder of the socket.
    pub fn socket_dir(&self) -> PathBuf {
        self.postmaster().socket_dir.clone()
    }

    /// The server's process id.
    pub fn pid(&self) -> i32 {
        self.postmaster().pid.as_raw()
    }

    /// Leaves. The last process that uses the cluster stops it and waits for that, with a bound.
    pub async fn close(mut self) -> Result<()> {
        let Some(share) = self.share.take() else {
            return Ok(());
        };
        let start = StartLock::take(&self.place).await?;
        if share.is_last(&start) {
            let postmaster = self.postmaster.get_mut().unwrap_or_else(PoisonError::into_inner);
            postmaster.stop(&self.cluster.dir).await?;
            // Empty now, unless the server crashed; the next start makes it again.
            let _ = std::fs::remove_dir(&postmaster.socket_dir);
        }
        Ok(())
    }

    /// The lock is held for moments only, never across an await.
    fn postmaster(&self) -> MutexGuard<'_, Postmaster> {
        self.postmaster.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for EmbeddedServer {
    fn drop(&mut self) {
        let Some(share) = self.share.take() else {
            return;
        };
        // A command that failed half way: do not leave a server behind for
        // nobody. Whoever comes next waits until it is gone, then starts anew.
        match StartLock::try_take(&self.place) {
            Ok(Some(start)) if share.is_last(&start) => {
                let dir = self.cluster.dir.clone();
                self.postmaster().interrupt(&dir);
            }
            Ok(_) => {}
            Err(error) => {
                Err::<(), _>(error).can_fail("the server stays, and the next process adopts it");
            }
        }
    }
}

impl std::fmt::Debug for EmbeddedServer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("EmbeddedServer")
            .field("data_dir", &self.place.data_dir)
            .field("cluster_dir", &self.cluster.dir)
            .field("pid", &self.pid())
            .finish_non_exhaustive()
    }
}

/// The running server with both databases. One that was killed a moment ago can
/// still look alive, so a failure counts only while the server really is.
async fn usable_server(cluster: &Cluster) -> Result<Postmaster> {
    let mut attempts_left = USABLE_ATTEMPTS_MAX;
    loop {
        attempts_left -= 1;
        let mut postmaster = Postmaster::ensure(cluster).await?;
        let options = cluster::connect_options(&postmaster.socket_dir, &cluster.password, "postgres");
        let Err(error) = databases::ensure(&options).await else {
            return Ok(postmaster);
        };
        tokio::time::sleep(DEATH_NOTICED_AFTER).await;
        if attempts_left == 0 || postmaster.is_alive(&cluster.dir) {
            return Err(error);
        }
    }
}

/// The cluster of a data directory, made when there is none.
async fn ready_cluster(settings: &Embedded, place: &Place) -> Result<Cluster> {
    let existing = place.existing_cluster()?;
    let user = ServerUser::choose(&settings.run_as, existing.as_deref())?;
    let major = existing.as_deref().map(major_of).transpose()?;
    let dir = match &existing {
        Some(dir) => reachable(dir, &user)?,
        None => place.new_cluster(&user)?,
    };
    let cluster = Cluster {
        dir,
        log: place.file("postgres.log"),
        socket_dir: place.socket_dir(&user)?,
        programs: Programs::new(settings, major),
        user,
        password: password::of(place, existing.is_some())?,
        profile: Profile::Durable,
    };
    if existing.is_none() {
        tracing::info!(dir = %cluster.dir.display(), postgres = cluster.installation()?.major, "making the embedded Postgres's cluster");
        postmaster::end_detached(&cluster).await?;
        initdb::create(&cluster).await?;
        place.remember(&cluster.dir)?;
    }
    Ok(cluster)
}

/// The major version of a cluster.
fn major_of(cluster: &Path) -> Result<u32> {
    let path = cluster.join("PG_VERSION");
    let text = std::fs::read_to_string(&path).context("reading PG_VERSION")?;
    text.trim().parse().map_err(|_| {
        Error::startup(
            format!("{} says {:?}, which is no Postgres version", path.display(), text.trim()),
            "restore DATA_DIR from a backup, or move it away to start with an empty one",
        )
    })
}

/// An existing cluster that the server's user can still get to: folders above it may have changed.
fn reachable(cluster: &Path, user: &ServerUser) -> Result<PathBuf> {
    if user.can_reach(cluster) {
        return Ok(cluster.to_path_buf());
    }
    Err(Error::startup(
        format!("user {user}, who owns the cluster in {}, cannot enter a folder above it", cluster.display()),
        format!(
            "let that user pass (chmod o+x on each folder above {}), or move DATA_DIR",
            cluster.display()
        ),
    ))
}
