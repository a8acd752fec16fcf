//! Routes of the knowledge base.

mod read;
mod search;
mod upload;
mod write;

pub use read::*;
pub use search::*;
pub use upload::FileUpload;
pub use write::*;
