//! Routes of the knowledge base.

mod collections;
mod duplicates;
mod manage;
mod read;
mod search;
mod sharing;
mod source_body;
mod stats;
mod upload;
mod write;

pub use collections::*;
pub use duplicates::*;
pub use manage::*;
pub use read::*;
pub use search::*;
pub use sharing::*;
pub use source_body::*;
pub use stats::*;
pub use upload::FileUpload;
pub use write::*;
