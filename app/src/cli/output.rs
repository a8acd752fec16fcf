//! Writing to the terminal. A closed pipe is the reader's wish, not an error.

use std::io::{ErrorKind, Write};

use serde::Serialize;

use crate::error::{Context, Error, Result};

/// A line of the command's result.
pub(super) fn line(text: &str) -> Result<()> {
    write(&format!("{text}\n"))
}

/// A piece of the command's result, shown at once.
pub(super) fn write(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("writing to standard output")
        }
        _ => Ok(()),
    }
}

/// The command's result for a program to read.
pub(super) fn json(value: &impl Serialize) -> Result<()> {
    line(&serde_json::to_string_pretty(value).context("printing JSON")?)
}

/// Why the command failed; nothing more can be done if this cannot be written.
pub(super) fn failure(error: &Error) {
    let _ = writeln!(std::io::stderr(), "error: {}", crate::web::problem::Chain(error));
}
