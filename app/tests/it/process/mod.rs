//! The program itself: several real processes on real databases.

mod access;
mod commands;
mod end_to_end;
mod files;
mod ingest;
mod killed;
mod replicas;
mod stopped;
mod turns;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use tandem::config::Env;

use crate::support::postgres;

/// Longest wait for a process to do what it should.
const PATIENCE: Duration = Duration::from_mins(1);

/// The program with this environment and nothing inherited but `PATH` and `HOME`.
pub(crate) fn tandem(env: &Env, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tandem"));
    command.env_clear().args(arguments);
    for name in ["PATH", "HOME"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.envs(postgres::base_env()).envs(env).env("PORT", "0").env("LOG_FORMAT", "json");
    command
}

/// Runs a command to its end; its standard output if it succeeds.
#[track_caller]
pub(crate) fn run(env: &Env, arguments: &[&str]) -> String {
    let output = tandem(env, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command that has to fail; what it says on standard error.
#[track_caller]
pub(crate) fn run_failing(env: &Env, arguments: &[&str]) -> String {
    let output = tandem(env, arguments).output().unwrap();
    assert!(!output.status.success(), "{arguments:?} succeeded");
    String::from_utf8(output.stderr).unwrap()
}

/// A running `tandem serve`; killed when it is dropped.
pub(crate) struct Serving {
    pub(crate) child: Child,
    /// `http://127.0.0.1:PORT`
    pub(crate) base: String,
    log: Arc<Mutex<Vec<String>>>,
}

impl Serving {
    /// Starts it and waits until it says it is ready.
    pub(crate) fn start(env: &Env) -> Self {
        Self::start_with(&mut tandem(env, &["serve"]))
    }

    /// As [`Serving::start`], with a command that serves.
    pub(crate) fn start_with(command: &mut Command) -> Self {
        let mut starting = Self::spawn_with(command);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(base) = starting.ready() {
                starting.base = base;
                return starting;
            }
            if starting.child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("tandem serve did not become ready:\n{}", starting.log());
    }

    /// Starts it and waits for nothing: it has no address yet.
    pub(crate) fn spawn(env: &Env) -> Self {
        Self::spawn_with(&mut tandem(env, &["serve"]))
    }

    fn spawn_with(command: &mut Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Reads to the end of the process, so that its pipe never fills.
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|line| kept.lock().unwrap().push(line));
        });
        Self { child, log, base: String::new() }
    }

    /// Its address, once it has said that it is ready.
    pub(crate) fn ready(&self) -> Option<String> {
        self.log.lock().unwrap().iter().find_map(|line: &String| {
            let event: Value = serde_json::from_str(line).ok()?;
            (event["message"] == "ready").then(|| format!("http://{}", event["address"].as_str().unwrap()))
        })
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// Whether it has said that so far.
    pub(crate) fn said(&self, text: &str) -> bool {
        self.log.lock().unwrap().iter().any(|line| line.contains(text))
    }

    /// What it said until now, a JSON object a line.
    pub(crate) fn log(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// The process.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to stop and waits for a clean end.
    pub(crate) fn stop(mut self) {
        self.signal(Signal::SIGTERM);
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                assert!(status.success(), "{status}");
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("tandem serve did not stop");
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An environment that uses the embedded Postgres below `data_dir`.
pub(crate) fn embedded_env(data_dir: &Path) -> Env {
    Env::from([("DATA_DIR".to_owned(), data_dir.display().to_string())])
}
