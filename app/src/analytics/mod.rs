//! The batch: prices, values, P&L and snapshots of all portfolios, or of one.
//!
//! A *run* is a row of `batch_run_history`. Whoever claims it holds it under a
//! lease, and every portfolio is written in a transaction that holds the run's row
//! as well: a process that was paused for longer than its lease finds the run taken, and
//! writes nothing. It is a queue of its own and no kind of job: of runs there is one at a time,
//! they can be watched and called off, and who takes one over goes on where the last one was.
//!
//! A portfolio is computed from the first day that is missing, incomplete or stale, up to the
//! last trading day, and its rows are written only where they differ. So whatever
//! is done twice gives equal rows.

mod chunk;
mod claim;
mod compute;
pub mod history;
pub mod http;
mod incomplete;
mod lease;
mod log;
mod phases;
mod plan;
mod prices;
mod request;
mod run;
pub mod schedule;
mod stale;
mod tracking;
mod universe;
pub mod views;
mod worker;
mod write;

pub use incomplete::cleanup_incomplete;
pub use request::{NewRun, Requested, cancel, last_session, request};
pub use stale::settle_changes;
pub use worker::{Runner, run_one};

use sea_orm::{DbBackend, Statement, Value};

fn sql<const N: usize>(text: &str, values: [Value; N]) -> Statement {
    Statement::from_sql_and_values(DbBackend::Postgres, text, values)
}
