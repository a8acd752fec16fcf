//! The process that serves: it migrates, listens, works in the background
//! and stops gracefully.

mod events;
pub mod health;
pub mod identified;
mod listen;
pub mod metrics;
pub mod open_files;
mod prepare;
mod schedule;
mod start;
mod watch;

pub use events::events;
pub use listen::listen;
pub use prepare::prepare;
pub use start::{background, jobs, open, open_core, serve};
