//! Portfolios: what users hold, what they paid for it, what they put in.
//!
//! A *position* is a lot: what was bought on another day or at another price is
//! another one. Quantities are signed, short ones are negative. What a lot was
//! closed by stands in its realised events; what is left of it in `quantity`.
//!
//! Figures follow from lots, events, capital and prices alone. Whoever changes
//! one of these locks the portfolio first ([`lock_owned`]) and says from which
//! day on its figures changed ([`changed`]), in the same transaction.

mod accounts;
pub mod day;
mod equity_changes;
pub mod figures;
pub mod http;
pub mod import;
pub mod lots;
mod owned;
pub mod positions;
mod tags;
pub mod target_prices;

pub use accounts::{NewPortfolio, make, make_in};
pub use owned::{changed, find_owned, has_any, lock_owned};
