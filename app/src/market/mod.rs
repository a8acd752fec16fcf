//! Market data: symbols, prices, splits and dividends, and what is known of
//! companies and funds.
//!
//! Shared by all users, written by imports and providers. Prices are stored as they were
//! paid; splits and dividends are rows of their own, so that no history has to
//! be written again when a share is split.
//!
//! Figures are computed from a [`Market`] in memory, loaded once for all the
//! symbols and days that are needed ([`load`]).

mod calendar;
pub mod companies;
pub mod factors;
mod fetch;
pub mod history;
pub mod http;
pub mod import;
mod load;
pub mod provider;
pub mod quotes;
pub mod search;
pub mod sectors;
mod series;
mod symbols;

pub use calendar::Calendar;
pub use fetch::{Fetched, fetch, fetch_from};
pub use load::{load, load_in};
pub use series::{Close, Event, Market, Series};
pub use symbols::{Watched, normalised, watch};
