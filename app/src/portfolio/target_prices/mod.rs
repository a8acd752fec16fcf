//! Target prices: what an owner expects of a symbol, and what that would mean.
//!
//! Rows hold prices only. Returns, values and weights follow from them, from lots and from
//! the market's data; [`outlook`] computes them whenever they are read, with the functions
//! that snapshots are made of, and stores nothing.

pub mod file;
pub mod http;
mod outlook;
mod queries;
mod write;

pub use http::one::first;
