//! The child's side: `tandem parse`.
//!
//! It limits itself before it reads a byte: address space, processor time, no
//! core file, no file to write, none to open and no socket either, since it
//! gets no further file descriptor. Then it reads as many bytes as it was
//! told from standard input, and writes one JSON value to standard output. Its
//! parent holds standard input open: when that closes, nobody waits any more.

use std::io::{self, BufWriter, Read, Write};
use std::thread;

use clap::Args;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, raise};

use super::{Document, FileType, Limits, Refused};
use crate::error::{Context, Error, Result};

/// Room for documents whose parts are nested; taken only as it is used.
const STACK_BYTES: usize = 64 << 20;
/// What the thread needs that waits for the parent's end.
const WATCH_STACK_BYTES: usize = 64 << 10;
/// Standard input, output and error.
const OPEN_FILES: u64 = 3;

/// Parse.
#[derive(Debug, Args)]
pub struct Parse {
    /// Media type of the file
    media_type: String,
    /// Bytes to read from standard input
    #[arg(long)]
    bytes: usize,
    /// Address space, in bytes
    #[arg(long)]
    memory_bytes: u64,
    /// Processor time, in seconds
    #[arg(long)]
    cpu_s: u64,
    /// Most characters of text
    #[arg(long)]
    characters: usize,
    /// Most pages
    #[arg(long)]
    pages: usize,
}

/// What the child answers.
pub(super) type Answer = Result<Document, Refused>;

/// Reads one file and answers. Fails only if it could not begin.
pub fn run(order: &Parse) -> Result<()> {
    confine(order).context("limiting the parser")?;
    // What goes wrong is said in the answer; a panic's report is for nobody.
    std::panic::set_hook(Box::new(|_| {}));
    let kind = FileType::named(&order.media_type)
        .ok_or_else(|| Error::startup("unknown media type", FileType::supported()))?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(order.bytes).context("making room for the file")?;
    bytes.resize(order.bytes, 0);
    io::stdin().lock().read_exact(&mut bytes).context("reading the file")?;
    thread::Builder::new()
        .stack_size(WATCH_STACK_BYTES)
        .spawn(die_with_parent)
        .context("watching standard input")?;
    let limits = Limits { characters: order.characters, pages: order.pages };
    let reading = thread::Builder::new()
        .stack_size(STACK_BYTES)
        .spawn(move || super::read(kind, &bytes, limits))
        .context("starting to parse")?;
    let answer: Answer =
        reading.join().unwrap_or_else(|_| Err(Refused::because("the file is damaged: it cannot be read")));
    let mut out = BufWriter::new(io::stdout().lock());
    serde_json::to_writer(&mut out, &answer).context("writing the answer")?;
    out.flush().context("writing the answer")
}

/// Ends the process when the parent closes standard input, by dying or by
/// losing interest.
fn die_with_parent() {
    let mut byte = [0];
    while matches!(io::stdin().lock().read(&mut byte), Ok(1..)) {}
    // Nothing is left to do for anybody, not even an error.
    let _ = raise(Signal::SIGKILL);
}

fn confine(order: &Parse) -> nix::Result<()> {
    // When memory runs out, this process is the one to go.
    #[cfg(target_os = "linux")]
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    limit(Resource::RLIMIT_CORE, 0, 0)?;
    limit(Resource::RLIMIT_FSIZE, 0, 0)?;
    // The first limit ends it with a signal that tells, the second for sure.
    limit(Resource::RLIMIT_CPU, order.cpu_s, order.cpu_s + 1)?;
    limit(Resource::RLIMIT_NOFILE, OPEN_FILES, OPEN_FILES)?;
    // macOS knows the name of this limit and does not keep it.
    #[cfg(target_os = "linux")]
    limit(Resource::RLIMIT_AS, order.memory_bytes, order.memory_bytes)?;
    Ok(())
}

/// Limits a resource for good, further if it was limited already.
fn limit(resource: Resource, soft: u64, hard: u64) -> nix::Result<()> {
    let (_, most) = getrlimit(resource)?;
    setrlimit(resource, soft.min(most), hard.min(most))
}
