//! The process that serves: it migrates, listens, works in the background
//! and stops gracefully.

mod events;
pub mod health;
mod schedule;
mod start;

pub use events::events;
pub use start::{background, jobs, listen, open, prepare, serve};
