//! The program itself: several real processes on real databases.

mod access;
mod commands;
mod end_to_end;
mod files;
mod replicas;

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
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Reads to the end of the process, so that its pipe never fills.
        let log = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(line.clone());
                let _ = sender.send(line);
            }
        });
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            let Ok(line) = receiver.recv_timeout(Duration::from_secs(20)) else { break };
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["message"] == "ready" {
                let base = format!("http://{}", event["address"].as_str().unwrap());
                return Self { child, base, log };
            }
        }
        let _ = child.kill();
        panic!("tandem serve did not become ready:\n{}", log.lock().unwrap().join("\n"));
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
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), Signal::SIGTERM).unwrap();
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
