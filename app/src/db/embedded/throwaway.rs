//! A Postgres for tests and benchmarks: fast, unsafe on disk, gone afterwards.

use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use sea_orm::sqlx::postgres::PgConnectOptions;

use super::cluster::{self, Cluster, Profile, Programs};
use super::postmaster::Postmaster;
use super::user::ServerUser;
use super::{password, place};
use crate::config::Embedded;
use crate::error::{Context, Error, Result};

/// Reads until the test process is gone, for whatever reason, then removes everything.
const WATCHDOG: &str = r#"
cat >/dev/null
pid=$(head -n 1 "$1/postgres/postmaster.pid" 2>/dev/null) || pid=
if [ -n "$pid" ]; then
    kill -QUIT "$pid" 2>/dev/null
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
fi
rm -rf -- "$1"
"#;

/// A cluster that lives as long as this value, and never longer than this process: a watchdog
/// stops it and removes its files even after `kill -9`. For tests and benchmarks only.
pub struct Throwaway {
    dir: PathBuf,
    bin_dir: PathBuf,
    cluster: Cluster,
    /// Not reaped: the watchdog ends it, at the end of the process.
    postmaster: Postmaster,
    _watchdog: Watchdog,
}

impl Throwaway {
    /// Makes and starts a cluster; only `cache_dir`, `postgres_dir` and `run_as` are used.
    pub async fn start(settings: &Embedded) -> Result<Self> {
        let user = ServerUser::choose(&settings.run_as, None)?;
        let dir = private_dir()?;
        let watchdog = Watchdog::start(&dir)?;
        user.own(&dir)?;
        let cluster = Cluster {
            dir: dir.join("postgres"),
            log: dir.join("postgres.log"),
            // Short because the folder's name is: 5 + 24 bytes and the socket's own name.
            socket_dir: dir.clone(),
            programs: Programs::new(settings, None),
            user,
            password: password::random(),
            profile: Profile::Throwaway,
        };
        super::initdb::create(&cluster).await?;
        let postmaster = Postmaster::ensure(&cluster).await?;
        let bin_dir = cluster.installation()?.bin_dir.clone();
        Ok(Self { dir, bin_dir, cluster, postmaster, _watchdog: watchdog })
    }

    /// Stops the server: its connections are cut.
    pub async fn stop(&mut self) -> Result<()> {
        self.postmaster.stop(&self.cluster.dir).await
    }

    /// Starts a stopped server, at the same address with the same data.
    pub async fn start_again(&mut self) -> Result<()> {
        self.postmaster = Postmaster::ensure(&self.cluster).await?;
        Ok(())
    }

    /// How to reach a database; `postgres` is the one that exists.
    pub fn connect_options(&self, database: &str) -> PgConnectOptions {
        cluster::connect_options(&self.cluster.socket_dir, &self.cluster.password, database)
    }

    /// The folder of everything, removed at the end.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Folder of `psql`, `pg_dump`, `pgbench` and the like of the same version.
    pub fn bin_dir(&self) -> &Path {
        &self.bin_dir
    }

    /// The server's process id.
    pub fn pid(&self) -> i32 {
        self.postmaster.pid.as_raw()
    }
}

impl std::fmt::Debug for Throwaway {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Throwaway").field("dir", &self.dir).finish_non_exhaustive()
    }
}

/// A child that notices the end of this process by the end of its input.
struct Watchdog {
    _child: Child,
    _input: Option<ChildStdin>,
}

impl Watchdog {
    fn start(dir: &Path) -> Result<Self> {
        let mut child = Command::new("sh")
            .args(["-c", WATCHDOG, "tandem-watchdog"])
            .arg(dir)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Its own group: Ctrl-C in the terminal must not end it first.
            .process_group(0)
            .spawn()
            .context("starting the watchdog of a throw-away Postgres")?;
        let input = child.stdin.take();
        Ok(Self { _child: child, _input: input })
    }
}

/// In /tmp whatever `TMPDIR` is: the socket's path must be short.
fn private_dir() -> Result<PathBuf> {
    let name = place::short_hex(&rand::random::<[u8; 8]>());
    let dir = Path::new("/tmp").join(format!("tandem-t-{name}"));
    std::fs::DirBuilder::new().mode(0o700).create(&dir).map_err(|error| {
        Error::startup(
            format!("{} cannot be made: {error}", dir.display()),
            "make /tmp writable, or set TEST_DATABASE_URL to a server of your own",
        )
    })?;
    Ok(dir)
}
