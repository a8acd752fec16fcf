//! The parent's side: starts a child for a file, and makes sense of its end.

use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

use super::child::Answer;
use super::{Document, FileType, Refused};
use crate::config::Files;
use crate::error::{Context, Error, Result};

/// Longest thing a child may say on standard error; the rest is dropped.
const STDERR_MAX: u64 = 64 * 1024;
/// A character in JSON takes at most this many bytes.
const JSON_CHARACTER: u64 = 6;
/// How often a file is tried whose child somebody else kills.
const ATTEMPTS: u32 = 3;

/// How long an upload waits until another one is done.
const SLOT_WAIT: Duration = Duration::from_secs(10);

/// What became of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its text.
    Read(Document),
    /// It cannot be read, and why: a sentence for whoever sent it.
    Refused(String),
}

/// How many files this process receives and parses at once.
#[derive(Clone, Debug)]
pub struct Slots {
    /// Uploads being received.
    pub uploads: Arc<Semaphore>,
    /// Children at work.
    pub parsers: Arc<Semaphore>,
}

impl Slots {
    /// As many as configured.
    pub fn new(files: &Files) -> Self {
        Self {
            uploads: Arc::new(Semaphore::new(files.uploads)),
            parsers: Arc::new(Semaphore::new(files.parsers)),
        }
    }

    /// A place among the uploads, held as long as one is in memory. 503 when
    /// none is free for 10 seconds.
    pub async fn upload(&self) -> Result<OwnedSemaphorePermit> {
        let waiting = Arc::clone(&self.uploads).acquire_owned();
        let slot = tokio::time::timeout(SLOT_WAIT, waiting).await.map_err(|_| Error::Unavailable {
            code: "uploads_busy",
            detail: "too many files are being uploaded; try again in a moment".to_owned(),
            source: None,
        })?;
        slot.context("waiting for other uploads")
    }
}

/// How a child ended.
enum End {
    Answered(Answer),
    /// It hit a limit or crashed, which is the file's fault.
    Failed(String),
    /// Somebody else killed it, which says nothing about the file.
    Killed,
    /// It took too long.
    Late,
}

/// Reads a file in a child process, once there is a free slot. An error means
/// that no child could be started or that `cancelled` was; it says nothing
/// about the file.
pub async fn run(
    files: &Files,
    slots: &Slots,
    kind: FileType,
    bytes: Bytes,
    cancelled: &CancellationToken,
) -> Result<Outcome> {
    let work = async {
        let _slot = slots.parsers.acquire().await.context("waiting for a parser")?;
        for _ in 0..ATTEMPTS {
            match attempt(files, kind, &bytes).await? {
                End::Answered(Ok(document)) => return Ok(Outcome::Read(document)),
                End::Answered(Err(Refused(sentence))) | End::Failed(sentence) => {
                    return Ok(Outcome::Refused(sentence));
                }
                End::Late => {
                    let limit = files.wall_s;
                    return Ok(Outcome::Refused(format!(
                        "reading the file takes longer than {limit} seconds"
                    )));
                }
                End::Killed => tracing::warn!("a parser was killed from outside"),
            }
        }
        Ok(Outcome::Refused(format!("the parser was killed {ATTEMPTS} times while it read the file")))
    };
    // Dropped, the work takes its child with it.
    cancelled
        .run_until_cancelled(work)
        .await
        .unwrap_or_else(|| Err(Error::conflict("stopped", "the process stops; the file is read later")))
}

async fn attempt(files: &Files, kind: FileType, bytes: &[u8]) -> Result<End> {
    let mut child = start(files, kind, bytes.len())?;
    let finished = tokio::time::timeout(files.wall(), converse(files, &mut child, bytes)).await;
    let Ok(finished) = finished else {
        // Waits for the end, so that nothing is left behind.
        child.kill().await.context("ending a parser")?;
        return Ok(End::Late);
    };
    let (status, out, err) = finished?;
    tokio::task::spawn_blocking({
        let files = files.clone();
        move || end(&files, status, &out, &err)
    })
    .await
    .context("reading a parser's answer")?
}

fn start(files: &Files, kind: FileType, length: usize) -> Result<Child> {
    let mut command = Command::new(program(files)?);
    command.arg("parse").arg(kind.as_str());
    let limits = [
        ("--bytes", length as u64),
        ("--memory-bytes", files.memory_bytes),
        ("--cpu-s", files.cpu_s),
        ("--characters", files.characters as u64),
        ("--pages", files.pages as u64),
    ];
    for (name, limit) in limits {
        command.arg(name).arg(limit.to_string());
    }
    command
        // Nothing of this process's secrets, and nowhere to look for them.
        .env_clear()
        .current_dir("/")
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("starting a parser")
}

/// This very program, unless another one is configured.
fn program(files: &Files) -> Result<PathBuf> {
    if let Some(program) = &files.parser {
        return Ok(program.clone());
    }
    // Stays right when an update replaces the file behind it.
    if cfg!(target_os = "linux") {
        return Ok(PathBuf::from("/proc/self/exe"));
    }
    std::env::current_exe().context("finding this program")
}

/// Hands the file over and listens until the child ends. Its standard input
/// stays open for as long: the child takes its closing as an order to stop.
async fn converse(files: &Files, child: &mut Child, bytes: &[u8]) -> Result<(ExitStatus, Vec<u8>, Vec<u8>)> {
    let mut stdin = child.stdin.take();
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let handing_over = async {
        if let Some(pipe) = &mut stdin {
            // A child that ends early closes the pipe; its end says why.
            let _ = pipe.write_all(bytes).await;
        }
    };
    let answer_max =
        (files.characters as u64 + files.pages as u64 * 2).saturating_mul(JSON_CHARACTER) + STDERR_MAX;
    let ((), out, err, status) =
        tokio::join!(handing_over, listen(stdout, answer_max), listen(stderr, STDERR_MAX), child.wait());
    drop(stdin);
    Ok((
        status.context("waiting for a parser")?,
        out.context("listening to a parser")?,
        err.context("listening to a parser")?,
    ))
}

/// The first bytes of a pipe; the rest is read and dropped.
async fn listen(pipe: Option<impl AsyncRead + Unpin>, most: u64) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    if let Some(mut pipe) = pipe {
        (&mut pipe).take(most).read_to_end(&mut kept).await?;
        tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    }
    Ok(kept)
}

fn end(files: &Files, status: ExitStatus, out: &[u8], err: &[u8]) -> Result<End> {
    use std::os::unix::process::ExitStatusExt;
    if status.success() {
        return Ok(match serde_json::from_slice(out) {
            Ok(answer) => End::Answered(answer),
            Err(_) => End::Failed("the file holds more text than can be handed over".to_owned()),
        });
    }
    let said = String::from_utf8_lossy(err);
    let Some(signal) = status.signal() else {
        return Err(Error::internal("running a parser", said.trim().to_owned()));
    };
    let sentence = match signal {
        nix::libc::SIGKILL => return Ok(End::Killed),
        nix::libc::SIGXCPU => format!("reading the file takes more than {} seconds of work", files.cpu_s),
        _ if said.contains("memory allocation") => {
            format!("reading the file takes more than {} MB of memory", files.memory_bytes >> 20)
        }
        _ if said.contains("overflowed its stack") => "the file is nested too deeply to be read".to_owned(),
        _ => format!("the file is damaged: the parser broke on it (signal {signal})"),
    };
    Ok(End::Failed(sentence))
}
