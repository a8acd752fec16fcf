//! Routes of the knowledge base.

mod collections;
mod manage;
mod read;
mod search;
mod upload;
mod write;

pub use collections::*;
pub use manage::*;
pub use read::*;
pub use search::*;
pub use upload::FileUpload;
pub use write::*;
