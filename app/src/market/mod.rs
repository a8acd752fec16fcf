//! Market data: symbols, prices, splits and dividends, and what is known of
//! companies and funds.
//!
//! Shared by all users, written by imports and providers. Prices are stored as they were
//! paid; splits and dividends are rows of their own, so that no history has to
//! be written again when a share is split.

mod symbols;

pub use symbols::{Watched, normalised, watch};
