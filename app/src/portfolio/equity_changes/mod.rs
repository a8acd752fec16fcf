//! Contributions and withdrawals: capital that came in or went out.

mod edit;
mod read;
mod summary;

pub(super) use edit::{Edit, NewChange, change, delete, make};
pub(super) use read::{Filter, all, find, list};
pub(super) use summary::{Summary, Totals, summary};

/// Changes of a portfolio, so that an export is bounded.
pub(super) const CHANGES_MAX: u64 = 10_000;
