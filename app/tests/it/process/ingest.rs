//! `tandem ingest` over folders: what is hostile is reported, what is good is
//! found, memory stays bounded, and a folder is kept in line.

use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tandem::config::Env;

use super::{PATIENCE, run, tandem};
use crate::support::hostile;
use crate::support::office::{docx, epub, paragraph, sheet_rows, xlsx};
use crate::support::postgres::{self, Layout};

const EMAIL: &str = "folder@example.com";

async fn prepared() -> Env {
    let mut env = postgres::migrated(Layout::Dual).await.env();
    env.insert("JWT_SECRET".to_owned(), "0123456789abcdef0123456789abcdef".to_owned());
    run(&env, &["user", "create", EMAIL, "--json"]);
    env
}

/// Titles of the user's sources.
async fn titles(env: &Env) -> Vec<String> {
    let ai = postgres::operator(env.get("AI_DATABASE_URL").unwrap());
    let sql = "SELECT title FROM ai_kb_sources WHERE status = 'ready' ORDER BY title";
    let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Postgres, sql);
    let rows = sea_orm::ConnectionTrait::query_all_raw(&ai, statement).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// Resident memory of a process and its children, in MB.
#[cfg(target_os = "linux")]
fn resident_mb(process: u32) -> u64 {
    let status = |pid: &str| std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let field = |status: &str, name: &str| {
        let line = status.lines().find(|line| line.starts_with(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    let pids =
        std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let all = pids.filter(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()));
    let ours = all.map(|pid| (pid.parse::<u64>().unwrap(), status(&pid)));
    let ours = ours.filter(|(pid, status)| {
        *pid == u64::from(process) || field(status, "PPid:") == Some(u64::from(process))
    });
    ours.filter_map(|(_, status)| field(&status, "VmRSS:")).sum::<u64>() >> 10
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_folder_of_hostile_files_is_reported_file_by_file_in_bounded_memory() {
    let env = prepared().await;
    let folder = tempfile::tempdir().unwrap();
    let files = hostile::all();
    for file in &files {
        std::fs::write(folder.path().join(file.name), &file.bytes).unwrap();
    }
    std::fs::write(folder.path().join("good.docx"), docx(&paragraph("", "Gold is a metal."))).unwrap();
    std::fs::write(folder.path().join("good.xlsx"), xlsx(&[("S", &sheet_rows(&[&["A", "B"], &["c", "d"]]))]))
        .unwrap();
    std::fs::write(folder.path().join("good.epub"), epub("Owls", &[("One", "<p>Owls hunt.</p>")])).unwrap();
    std::fs::write(folder.path().join("photo.jpg"), b"\xff\xd8\xff").unwrap();
    let path = folder.path().display().to_string();
    let out = folder.path().join(".said");
    let mut command = tandem(&env, &["ingest", &path, "--owner", EMAIL, "--json"]);
    let mut child = command
        .stdout(std::fs::File::create(&out).unwrap())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut most = 0;
    while child.try_wait().unwrap().is_none() {
        most = most.max(resident_mb(child.id()));
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(!child.wait().unwrap().success(), "it says that not everything was ingested");
    let said: Value = serde_json::from_str(&std::fs::read_to_string(&out).unwrap()).unwrap();
    let told = |at: &str| {
        let all =
            said["failed"].as_array().unwrap().iter().chain(said["report"]["rejected"].as_array().unwrap());
        let mut matching = all.filter(|one| one["at"] == at);
        matching.next().map(|one| one["error"].as_str().unwrap().to_owned())
    };
    for file in &files {
        let error = told(file.name).unwrap_or_else(|| panic!("nothing is said of {}", file.name));
        assert!(error.contains(file.sentence), "{}: {error}", file.name);
    }
    assert_eq!(said["report"]["unsupported"], serde_json::json!(["photo.jpg"]), "{said}");
    assert_eq!(titles(&env).await, ["Owls", "good", "good"]);
    assert!(most < 500, "{most} MB were resident");
}

struct Watching(Child);

impl Watching {
    fn start(env: &Env, folder: &str) -> Self {
        let arguments = ["ingest", folder, "--watch", "--every", "1", "--owner", EMAIL];
        Self(tandem(env, &arguments).stdout(std::process::Stdio::null()).spawn().unwrap())
    }

    /// Asks it to stop; whether it did in time, and without an error.
    fn stop(mut self, signal: Signal) -> bool {
        kill(Pid::from_raw(self.0.id().try_into().unwrap()), signal).unwrap();
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.success();
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until the ready sources are called so.
async fn until(env: &Env, expected: &[&str]) {
    let started = Instant::now();
    loop {
        let titles = titles(env).await;
        if titles == expected {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{titles:?} instead of {expected:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn write(folder: &Path, name: &str, words: &str) {
    std::fs::write(folder.join(name), words).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_folder_and_its_sources_stay_in_line() {
    let env = prepared().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    // Sources that are not of this folder stay, whatever happens in it.
    let other = tempfile::tempdir().unwrap();
    write(other.path(), "other.md", "# Other\n\nStays.");
    run(&env, &["ingest", &other.path().display().to_string(), "--owner", EMAIL]);
    write(folder.path(), "gold.md", "# Gold\n\nIt is a metal.");
    write(folder.path(), "whales.md", "# Whales\n\nThey sing.");
    let first = Watching::start(&env, &path);
    let second = Watching::start(&env, &path);
    until(&env, &["Gold", "Other", "Whales"]).await;
    write(folder.path(), "gold.md", "# Golden\n\nIt does not rust.");
    std::fs::rename(folder.path().join("whales.md"), folder.path().join("orcas.md")).unwrap();
    write(folder.path(), "owls.md", "# Owls\n\nThey hunt.");
    until(&env, &["Golden", "Other", "Owls", "Whales"]).await;
    std::fs::remove_file(folder.path().join("orcas.md")).unwrap();
    until(&env, &["Golden", "Other", "Owls"]).await;
    assert!(first.stop(Signal::SIGTERM), "it stops when it is asked to");
    // Killed at any time, and what went meanwhile is found by the next one.
    drop(second);
    std::fs::remove_file(folder.path().join("owls.md")).unwrap();
    let said = run(&env, &["ingest", &path, "--sync", "--owner", EMAIL]);
    assert!(said.contains("0 ingested, 1 unchanged") && said.contains("1 removed"), "{said}");
    until(&env, &["Golden", "Other"]).await;
    let again = run(&env, &["ingest", &path, "--sync", "--owner", EMAIL, "--json"]);
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(
        (&again["report"]["unchanged"], &again["report"]["removed"]),
        (&1.into(), &0.into()),
        "{again}"
    );
    // Under another name it is another folder.
    let said = run(&env, &["ingest", &path, "--sync", "--name", "copy", "--owner", EMAIL]);
    assert!(said.starts_with("1 ingested") && !said.contains("removed"), "{said}");
    let third = Watching::start(&env, &path);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(third.stop(Signal::SIGINT));
}

#[tokio::test]
async fn what_cannot_be_looked_at_is_not_taken_for_gone() {
    let env = prepared().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display().to_string();
    let mut deep = folder.path().to_owned();
    write(&deep, "gold.md", "# Gold\n\nIt is a metal.");
    run(&env, &["ingest", &path, "--sync", "--name", "f", "--owner", EMAIL]);
    std::fs::remove_file(folder.path().join("gold.md")).unwrap();
    // A folder that is too deep to look into could hold anything.
    for _ in 0..70 {
        deep.push("d");
    }
    std::fs::create_dir_all(&deep).unwrap();
    let output =
        tandem(&env, &["ingest", &path, "--sync", "--name", "f", "--owner", EMAIL]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("folders deep"), "{output:?}");
    assert_eq!(titles(&env).await, ["Gold"]);
    std::fs::remove_dir_all(folder.path().join("d")).unwrap();
    run(&env, &["ingest", &path, "--sync", "--name", "f", "--owner", EMAIL]);
    assert_eq!(titles(&env).await, Vec::<String>::new());
    let gone = folder.path().join("none").display().to_string();
    assert!(super::run_failing(&env, &["ingest", &gone, "--sync"]).contains("cannot be read"));
}
