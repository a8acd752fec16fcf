//! `kill -9` of either side, and what dead processes leave behind.

use std::time::{Duration, Instant};

use tandem::db::embedded::{EmbeddedServer, Purpose};
use tokio_util::sync::CancellationToken;

use super::children::{reported_pid, spawn};
use super::{Folder, cache_dir, eventually, is_gone, kill_9, one, settings};

#[tokio::test]
async fn a_killed_server_recovers_at_the_next_open() {
    let folder = Folder::new();
    let settings = settings(&folder.join("data"));
    let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    kill_9(server.pid());
    // This process has not reaped it, as another process would find it.
    let other = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    assert_ne!(other.pid(), server.pid());
    assert_eq!(one(&other.connect_options("core")).await, 1);
    assert_eq!(one(&server.connect_options("core")).await, 1);

    let pid = other.pid();
    other.close().await.unwrap();
    assert!(!is_gone(pid));
    server.close().await.unwrap();
    assert!(is_gone(pid), "the last one out stops the server that replaced its own");
}

#[tokio::test]
async fn a_running_serve_notices_and_starts_it_again() {
    let folder = Folder::new();
    let server = EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Serve).await.unwrap();
    let (first, shutdown) = (server.pid(), CancellationToken::new());
    let watch = server.supervise(shutdown.clone());
    let crash = async {
        kill_9(first);
        let began = Instant::now();
        eventually("another server runs", || server.pid() != first).await;
        assert!(began.elapsed() < Duration::from_secs(10));
        assert_eq!(one(&server.connect_options("ai")).await, 1);
        shutdown.cancel();
    };
    tokio::join!(watch, crash);
    server.close().await.unwrap();
}

#[tokio::test]
async fn an_orphan_is_adopted() {
    let folder = Folder::new();
    let mut child = spawn("holds_a_server", &folder, &cache_dir(), None);
    let orphan = reported_pid(&folder).await;
    let refusal = EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Serve).await.unwrap_err();
    assert!(refusal.to_string().contains(&format!("pid {}", child.id())), "{refusal}");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!is_gone(orphan), "the server outlives its Tandem");

    let server = EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Serve).await.unwrap();
    assert_eq!(server.pid(), orphan);
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();
    assert!(is_gone(orphan));
}

#[tokio::test]
async fn an_orphan_that_has_no_pid_file_yet_is_waited_for() {
    let folder = Folder::new();
    let mut child = spawn("holds_a_server", &folder, &cache_dir(), None);
    let orphan = reported_pid(&folder).await;
    child.kill().unwrap();
    child.wait().unwrap();
    let settings = settings(&folder.join("data"));
    // What a server looks like whose Tandem was killed right after it had started it.
    let pid_file = folder.join("data/postgres/postmaster.pid");
    let socket = std::fs::read_to_string(&pid_file).unwrap().lines().nth(4).unwrap().to_owned();
    let files = [pid_file, std::path::Path::new(&socket).join(".s.PGSQL.5432.lock")];
    let aside = |file: &std::path::Path| file.with_extension("aside");
    for file in &files {
        std::fs::rename(file, aside(file)).unwrap();
    }
    let shown = async {
        tokio::time::sleep(Duration::from_millis(400)).await;
        for file in &files {
            std::fs::rename(aside(file), file).unwrap();
        }
    };
    let (server, ()) = tokio::join!(EmbeddedServer::open(&settings, Purpose::Serve), shown);
    let server = server.unwrap();
    assert_eq!(server.pid(), orphan);
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();
    assert!(is_gone(orphan));
}

#[tokio::test]
async fn a_stale_pid_file_that_names_a_live_process_is_no_obstacle() {
    let folder = Folder::new();
    let settings = settings(&folder.join("data"));
    let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    let file = server.cluster_dir().join("postmaster.pid");
    let text = std::fs::read_to_string(&file).unwrap();
    server.close().await.unwrap();
    // This very process: alive, and not a postgres.
    let others: Vec<&str> = text.lines().skip(1).collect();
    std::fs::write(&file, format!("{}\n{}\n", std::process::id(), others.join("\n"))).unwrap();
    let server = EmbeddedServer::open(&settings, Purpose::Command).await.unwrap();
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_data_dir_removed_under_a_running_server_starts_anew() {
    let folder = Folder::new();
    let mut child = spawn("holds_a_server", &folder, &cache_dir(), None);
    let orphan = reported_pid(&folder).await;
    child.kill().unwrap();
    child.wait().unwrap();
    std::fs::remove_dir_all(folder.join("data")).unwrap();
    let server = EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Serve).await.unwrap();
    assert!(is_gone(orphan));
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_seen_only_by_its_lock_is_never_doubled() {
    let folder = Folder::new();
    let settings = settings(&folder.join("data"));
    let open = || EmbeddedServer::open(&settings, Purpose::Command);
    open().await.unwrap().close().await.unwrap();
    // What a server in another container on the same volume looks like from here.
    let lock = std::fs::File::open(folder.join("data/postgres.lock")).unwrap();
    lock.try_lock().unwrap();
    let refusal = open().await.unwrap_err().to_string();
    assert!(refusal.contains("another container"), "{refusal}");
    drop(lock);
    let server = open().await.unwrap();
    let held = std::fs::File::open(folder.join("data/postgres.lock")).unwrap();
    assert!(held.try_lock().is_err(), "the server holds it itself");
    server.close().await.unwrap();
    assert!(held.try_lock().is_ok(), "and lets it go with its last process");
}

#[tokio::test]
async fn an_unfinished_first_start_is_begun_again() {
    let folder = Folder::new();
    std::fs::create_dir_all(folder.join("data/postgres.new/base")).unwrap();
    let server = EmbeddedServer::open(&settings(&folder.join("data")), Purpose::Command).await.unwrap();
    assert_eq!(one(&server.connect_options("core")).await, 1);
    server.close().await.unwrap();
}

#[tokio::test]
async fn a_first_start_killed_at_any_moment_is_finished_by_the_next() {
    use crate::process::{Serving, embedded_env, run, tandem};
    for kill_after_ms in [0, 100, 300, 600, 1000, 1500, 2200] {
        let folder = Folder::new();
        let env = embedded_env(&folder.join("data"));
        let mut child = tandem(&env, &["serve"]).stderr(std::process::Stdio::null()).spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(kill_after_ms)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let server = Serving::start(&env);
        run(&env, &["doctor"]);
        server.stop();
    }
}

#[tokio::test]
async fn a_throwaway_goes_with_its_process() {
    let folder = Folder::new();
    let mut child = spawn("holds_a_throwaway", &folder, &cache_dir(), None);
    let pid = reported_pid(&folder).await;
    let dir = std::path::PathBuf::from(std::fs::read_to_string(folder.join("dir")).unwrap());
    assert!(dir.exists() && !is_gone(pid));
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("server and files are gone", || is_gone(pid) && !dir.exists()).await;
}
