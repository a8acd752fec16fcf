//! Lots: made, corrected, closed, deleted.
//!
//! Whoever stores lots does so by [`insert`], after [`Draft::check`] has made them out of
//! what was given: the API, imports, the demo.

mod change;
mod checks;
mod close;
mod contract;
mod create;
mod delete;
mod draft;
mod fault;
mod insert;
mod lot;
mod read;
mod splits;
mod valuations;

pub use contract::option_symbol;
pub use draft::{Draft, is_call, is_currency, is_option, is_short};
pub use fault::Fault;
pub use insert::{Outcome, insert};
pub use lot::{NewClose, NewLot};

pub(super) use change::{Edit, change};
pub(super) use checks::{alike, symbol};
pub(super) use close::{Close, close, reopen};
pub(super) use create::create;
pub(super) use delete::delete;
pub(super) use read::{Filter, Known, find, list, owned, page_of, require, with_splits};
pub(super) use valuations::{list as list_valuations, midnight, put as put_valuation};
