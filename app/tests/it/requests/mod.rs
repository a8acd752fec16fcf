//! What comes in and what goes wrong: one clear problem each.

mod bad_input;
mod kill;
mod metrics;
mod outages;
mod panics;
mod secrets;
