//! The process that serves: it migrates, listens, works in the background
//! and stops gracefully.

mod events;
pub mod health;
pub mod identified;
pub mod metrics;
pub mod open_files;
mod prepare;
mod schedule;
mod start;
mod watch;

pub use events::events;
pub use prepare::prepare;
pub use start::{background, jobs, listen, open, open_core, serve};
