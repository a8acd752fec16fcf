//! The process that serves: it migrates, listens, works in the background
//! and stops gracefully.

pub mod health;
pub mod open_files;
mod prepare;
mod schedule;
mod start;
mod watch;

pub use prepare::prepare;
pub use start::{background, jobs, listen, open, open_core, serve};
