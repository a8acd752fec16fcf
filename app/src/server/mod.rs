//! The process that serves: it migrates, listens, works in the background
//! and stops gracefully.

pub mod health;
