//! The integration tests: one binary, through the router or the program itself.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod auth;
mod chat;
mod checklist;
mod config;
mod conversation;
mod embedded;
mod feedback;
mod health;
mod knowledge;
mod llm;
mod memory;
mod process;
mod schema;
mod support;
mod tiers;
