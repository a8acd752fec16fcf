//! What every route shares: reading requests, answering errors, pages, streams.

pub mod client;
pub mod csv;
pub mod decimal;
pub mod extract;
pub mod far;
pub mod fetch;
pub mod form;
mod gone;
pub mod live;
pub mod meta;
pub mod operations;
pub mod origin;
pub mod page;
pub mod panic;
pub mod problem;
pub mod signals;
pub mod text;

pub use client::Client;
pub use decimal::Money;
pub use extract::{Json, Path, Query};
pub use gone::gone;
pub use meta::{Described, Meta};
pub use page::{Cursor, Page, PageQuery};
pub use problem::{Problem, Problems};
