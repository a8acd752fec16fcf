//! The process that reads a file: what it may do, and every way it can end.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde_json::{Value, json};
use tandem::jobs::Worker;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use super::{best, uploaded, waiting};
use crate::support::TestApp;
use crate::support::files::{Form, pdf_bomb};

const TANDEM: &str = env!("CARGO_BIN_EXE_tandem");
const PATIENCE: Duration = Duration::from_secs(20);

/// A program that does something else before it becomes the parser, or instead.
fn script(folder: &TempDir, commands: &str) -> String {
    let path = folder.path().join("parser.sh");
    let folder = folder.path().display();
    std::fs::write(&path, format!("#!/bin/sh\ncd {folder}\n{commands}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path.display().to_string()
}

async fn app_with(parser: &str) -> TestApp {
    TestApp::with()
        .env("TANDEM__FILES__PARSER", parser)
        .env("TANDEM__FILES__WALL_S", 1)
        .env("TANDEM__FILES__CPU_S", 1)
        .start()
        .await
}

fn whales() -> Form {
    Form::file("a.txt", b"Whales sing.")
}

/// Waits for a file that a script writes.
async fn written(path: &Path) -> String {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        if let Ok(text) = std::fs::read_to_string(path)
            && text.ends_with('\n')
        {
            return text;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{} was never written", path.display());
}

/// Waits until a process is no more.
async fn gone(pid: &str) {
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    let started = Instant::now();
    while kill(pid, None).is_ok() {
        assert!(started.elapsed() < PATIENCE, "{pid} still runs");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The parser itself, as a server would start it.
fn parser(media_type: &str, bytes: usize) -> Child {
    Command::new(TANDEM)
        .args(["parse", media_type, "--bytes", &bytes.to_string(), "--memory-bytes", "1073741824"])
        .args(["--cpu-s", "30", "--characters", "1000", "--pages", "10"])
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[cfg(target_os = "linux")]
#[test]
fn the_parser_limits_itself_before_it_reads() {
    let mut child = parser("text/plain", 12);
    let path = format!("/proc/{}/limits", child.id());
    let limit = |name: &str| {
        let limits = std::fs::read_to_string(&path).unwrap();
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap().to_owned();
        line[name.len()..].split_whitespace().take(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let started = Instant::now();
    // The last one that it sets.
    while limit("Max address space") != ["1073741824", "1073741824"] {
        assert!(started.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(5));
    }
    assert_eq!(limit("Max open files"), ["3", "3"]);
    assert_eq!(limit("Max file size"), ["0", "0"]);
    assert_eq!(limit("Max core file size"), ["0", "0"]);
    assert_eq!(limit("Max cpu time"), ["30", "31"]);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"Whales sing.").unwrap();
    let mut answer = String::new();
    child.stdout.take().unwrap().read_to_string(&mut answer).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["Ok"]["text"], "Whales sing.");
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_parser_dies_with_whoever_started_it() {
    // Before it has everything.
    let mut child = parser("text/plain", 12);
    child.stdin.take().unwrap().write_all(b"Whales").unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    // While it works on something that takes long.
    let bomb = pdf_bomb(4 << 30);
    let mut child = parser("application/pdf", bomb.len());
    child.stdin.take().unwrap().write_all(&bomb).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(nix::libc::SIGKILL), "{status}");
}

#[tokio::test]
async fn no_secret_reaches_the_parser() {
    let folder = tempfile::tempdir().unwrap();
    let parser = script(&folder, &format!("/usr/bin/env > seen; /bin/pwd -P > place; exec {TANDEM} \"$@\""));
    let app = TestApp::with().env("TANDEM__FILES__PARSER", parser).start().await;
    let user = app.user().await;
    super::read(&app, &user, whales()).await;
    let seen = std::fs::read_to_string(folder.path().join("seen")).unwrap();
    let names: Vec<&str> = seen.lines().filter_map(|line| line.split('=').next()).collect();
    // What the shell itself sets.
    assert!(names.iter().all(|name| ["PWD", "OLDPWD", "SHLVL", "_"].contains(name)), "{seen}");
    assert!(seen.contains("OLDPWD=/\n"), "it starts in the root folder: {seen}");
}

#[tokio::test]
async fn a_parser_that_is_killed_is_tried_again_and_then_given_up() {
    for (kills, status) in [(2, "ready"), (9, "failed")] {
        let folder = tempfile::tempdir().unwrap();
        let commands = format!(
            "echo run >> runs\n[ $(/usr/bin/wc -l < runs) -le {kills} ] && kill -9 $$\nexec {TANDEM} \"$@\""
        );
        let app = TestApp::with().env("TANDEM__FILES__PARSER", script(&folder, &commands)).start().await;
        let user = app.user().await;
        let source = uploaded(&app, &user, whales()).await;
        assert_eq!(source["status"], status, "{source}");
        let runs = std::fs::read_to_string(folder.path().join("runs")).unwrap();
        assert_eq!(runs.lines().count(), 3);
        if status == "failed" {
            assert!(source["error"].as_str().unwrap().contains("killed 3 times"), "{source}");
        } else {
            assert_eq!(best(&user, "whales").await["content"], "Whales sing.");
        }
        assert_eq!(waiting(&app).await, 0);
    }
}

#[tokio::test]
async fn every_other_end_of_a_parser_is_a_sentence() {
    for (commands, sentence) in [
        ("echo $$ > pid; exec /bin/sleep 600", "longer than 1 seconds"),
        ("echo $$ > pid; exec /usr/bin/yes", "longer than 1 seconds"),
        ("echo $$ > pid; ulimit -H -t 3; ulimit -S -t 1; while :; do :; done", "1 seconds of work"),
        ("echo $$ > pid; kill -SEGV $$", "broke on it (signal 11)"),
        ("echo $$ > pid; echo '{\"Ok\":'", "more text than can be handed over"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let mut app = TestApp::with().env("TANDEM__FILES__PARSER", script(&folder, commands));
        app = app.env("TANDEM__FILES__CPU_S", 1);
        let wall = if commands.contains("while") { 20 } else { 1 };
        let app = app.env("TANDEM__FILES__WALL_S", wall).start().await;
        let user = app.user().await;
        let source = uploaded(&app, &user, whales()).await;
        assert_eq!(source["status"], "failed", "{commands}: {source}");
        assert!(source["error"].as_str().unwrap().contains(sentence), "{commands}: {source}");
        assert_eq!(waiting(&app).await, 0);
        gone(&std::fs::read_to_string(folder.path().join("pid")).unwrap()).await;
    }
}

#[tokio::test]
async fn without_a_parser_a_file_waits() {
    let app = app_with("/nowhere/tandem").await;
    let user = app.user().await;
    let source = uploaded(&app, &user, whales()).await;
    assert_eq!(source["status"], "processing", "{source}");
    assert_eq!(waiting(&app).await, 1, "the next attempt needs it");
}

#[tokio::test]
async fn a_process_that_stops_ends_its_parser_and_leaves_the_file_to_others() {
    let folder = tempfile::tempdir().unwrap();
    let parser = script(&folder, "echo $$ > pid; exec /bin/sleep 600");
    let app = TestApp::with().env("TANDEM__FILES__PARSER", parser).start().await;
    let user = app.user().await;
    let accepted = whales().send(&user).await.expect(202);
    let worker =
        Worker::new(app.core().clone(), tandem::server::jobs(&app.state), app.state.settings.jobs.clone());
    let stop = CancellationToken::new();
    let stopping = async {
        let pid = written(&folder.path().join("pid")).await;
        let started = Instant::now();
        while app.state.ai.pool_state().in_use() > 0 {
            assert!(started.elapsed() < PATIENCE, "a connection is held while a parser works");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        stop.cancel();
        pid
    };
    let (ran, pid) = tokio::join!(worker.run_one(&stop), stopping);
    assert!(ran.unwrap());
    gone(&pid).await;
    assert_eq!(waiting(&app).await, 1);
    let path = format!("/knowledge/sources/{}", accepted["id"].as_str().unwrap());
    assert_eq!(user.get(&path).await.expect(200)["status"], "processing");
    let found = user.post("/knowledge/search", json!({"query": "whales"})).await.expect(200);
    assert_eq!(found["hits"], json!([]));
}

#[tokio::test]
async fn no_more_parsers_run_at_once_than_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let commands = format!(
        "echo $$ > running.$$\n/bin/ls -d running.* | /usr/bin/wc -l >> counts\n/bin/sleep 0.2\n/bin/rm running.$$\nexec {TANDEM} \"$@\""
    );
    let parser = script(&folder, &commands);
    let app =
        TestApp::with().env("TANDEM__FILES__PARSER", parser).env("TANDEM__FILES__PARSERS", 1).start().await;
    let user = app.user().await;
    for name in ["a.txt", "b.txt", "c.txt"] {
        Form::file(name, b"Whales sing.").send(&user).await.expect(202);
    }
    tokio::join!(app.run_jobs(), app.run_jobs(), app.run_jobs());
    let counts = std::fs::read_to_string(folder.path().join("counts")).unwrap();
    assert_eq!(counts.split_whitespace().collect::<Vec<_>>(), ["1", "1", "1"]);
}
