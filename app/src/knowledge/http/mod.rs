//! Routes of the knowledge base.

mod read;
mod search;
mod write;

pub use read::*;
pub use search::*;
pub use write::*;
