//! The integration tests: one binary, through the router or the program itself.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]
#![expect(
    clippy::disallowed_methods,
    reason = "what production code must not do (spawn, read the clock or the environment) is what tests are made of"
)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that is skipped says why, one that is random its seed"
)]
#![expect(
    clippy::format_collect,
    clippy::needless_pass_by_value,
    clippy::zombie_processes,
    reason = "plain words over speed; a test that panics is the end of its children too"
)]

mod auth;
mod batch;
mod chat;
mod checklist;
mod clients;
mod config;
mod conversation;
mod embedded;
mod engines;
mod failures;
mod feedback;
mod figures;
mod health;
mod idempotency;
mod knowledge;
mod links;
mod llm;
mod market;
mod mcp;
mod memory;
mod openai;
mod operations;
mod outbox;
mod packaging;
mod personas;
mod portfolio;
mod portfolio_import;
mod process;
mod real_model;
mod requests;
mod row_security;
mod schema;
mod spaces;
mod support;
mod target_prices;
mod tiers;
mod tools;
mod usage;
mod views;
