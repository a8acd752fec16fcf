//! The process that serves: it migrates, listens, works in the background
//! and stops gracefully.

pub mod health;
pub mod open_files;
mod schedule;
mod start;

pub use start::{background, jobs, listen, open, prepare, serve};
