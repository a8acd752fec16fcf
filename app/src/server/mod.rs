//! The process that serves: it migrates, listens, works in the background
//! and stops gracefully.

pub mod health;
mod schedule;
mod start;

pub use start::{background, jobs, listen, open, open_core, prepare, serve};
