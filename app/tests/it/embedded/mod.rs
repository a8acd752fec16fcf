//! The embedded Postgres, on real clusters.

mod children;
mod crash;
mod disk;
mod open;
mod users;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sea_orm::sqlx::postgres::{PgConnectOptions, PgConnection};
use sea_orm::sqlx::{self, Connection};
use tandem::config::{Embedded, Settings};

/// A folder that everybody can enter, removed at the end.
struct Folder(PathBuf);

/// In memory where there is room: these tests wait mostly for the disk.
#[cfg(target_os = "linux")]
fn parent() -> &'static Path {
    use nix::sys::statvfs::{FsFlags, statvfs};
    let has_room = statvfs("/dev/shm").is_ok_and(|fs| {
        fs.blocks_available() * fs.fragment_size() > 4 << 30 && !fs.flags().contains(FsFlags::ST_NOEXEC)
    });
    Path::new(if has_room { "/dev/shm" } else { "/tmp" })
}

#[cfg(not(target_os = "linux"))]
fn parent() -> &'static Path {
    Path::new("/tmp")
}

impl Folder {
    fn new() -> Self {
        use std::os::unix::fs::PermissionsExt;
        let path = parent().join(format!("tandem-it-{}", uuid::Uuid::now_v7().simple()));
        std::fs::create_dir(&path).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o777)).unwrap();
        Self(path)
    }

    fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What `make setup` fetched.
fn cache_dir() -> PathBuf {
    std::env::var_os("TANDEM_CACHE_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../.cache"), PathBuf::from)
}

fn settings(data_dir: &Path) -> Embedded {
    let mut settings = Settings::load(&std::collections::HashMap::new()).unwrap().embedded;
    settings.data_dir = data_dir.to_path_buf();
    settings.cache_dir = cache_dir();
    settings
}

async fn one(options: &PgConnectOptions) -> i32 {
    let mut connection = PgConnection::connect_with(options).await.unwrap();
    let one = sqlx::query_scalar("SELECT 1").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    one
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Gone or a zombie.
fn is_gone(pid: i32) -> bool {
    std::fs::read(format!("/proc/{pid}/cmdline")).map_or(true, |line| line.is_empty())
}

fn kill_9(pid: i32) {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).unwrap();
}

async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
