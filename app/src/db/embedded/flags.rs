//! The server's settings, given on its command line at every start, so that a
//! new version of Tandem never meets a configuration file of an older one.

use super::cluster::{Cluster, PORT, Profile};
use super::memory;

/// Below this, parallel index builds can fill /dev/shm (containers give it 64 MB).
#[cfg(target_os = "linux")]
const SHM_ROOM_MIN_BYTES: u64 = 512 * 1024 * 1024;

/// `name=value` for every setting that is not Postgres's default.
pub(super) fn of(cluster: &Cluster, major: u32) -> Vec<String> {
    let mut flags = vec![
        // Reachable by the socket only.
        "listen_addresses=".to_owned(),
        format!("unix_socket_directories={}", cluster.socket_dir.display()),
        "unix_socket_permissions=0700".to_owned(),
        format!("port={PORT}"),
        "password_encryption=scram-sha-256".to_owned(),
        // Its log is the file that Tandem gives it as standard error.
        "logging_collector=off".to_owned(),
        "log_destination=stderr".to_owned(),
        "log_checkpoints=off".to_owned(),
        "log_timezone=UTC".to_owned(),
        "timezone=UTC".to_owned(),
        "lc_messages=C".to_owned(),
        format!("shared_buffers={}MB", memory::shared_buffers_mb()),
        "maintenance_work_mem=256MB".to_owned(),
        format!("dynamic_shared_memory_type={}", shared_memory_type()),
        // No replicas: a bulk load into a new table skips the write-ahead log.
        "wal_level=minimal".to_owned(),
        "max_wal_senders=0".to_owned(),
        "max_replication_slots=0".to_owned(),
        "max_logical_replication_workers=0".to_owned(),
        // Compiling a query costs more than it saves at our sizes.
        "jit=off".to_owned(),
        "random_page_cost=1.1".to_owned(),
    ];
    if cfg!(target_os = "linux") {
        // Crash recovery syncs the file system at once instead of every file.
        flags.push("recovery_init_sync_method=syncfs".to_owned());
    }
    if major >= 18 {
        // As before 18: three processes less.
        flags.push("io_method=sync".to_owned());
    }
    match cluster.profile {
        Profile::Durable => flags.push("max_connections=100".to_owned()),
        Profile::Throwaway => flags.extend(
            [
                "max_connections=300",
                "fsync=off",
                "full_page_writes=off",
                "synchronous_commit=off",
                "autovacuum_naptime=10min",
            ]
            .map(str::to_owned),
        ),
    }
    flags
}

#[cfg(target_os = "linux")]
fn shared_memory_type() -> &'static str {
    let room =
        nix::sys::statvfs::statvfs("/dev/shm").map_or(0, |fs| fs.blocks_available() * fs.fragment_size());
    if room >= SHM_ROOM_MIN_BYTES { "posix" } else { "sysv" }
}

#[cfg(not(target_os = "linux"))]
fn shared_memory_type() -> &'static str {
    "posix"
}
