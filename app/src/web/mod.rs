//! What every route shares: reading requests, answering errors, pages, streams.

pub mod client;
pub mod extract;
pub mod far;
pub mod form;
mod gone;
pub mod live;
pub mod operations;
pub mod origin;
pub mod page;
pub mod panic;
pub mod problem;
pub mod signals;
pub mod text;

pub use client::Client;
pub use extract::{Json, Path, Query};
pub use gone::gone;
pub use page::{Cursor, Page, PageQuery};
pub use problem::{Problem, Problems};
