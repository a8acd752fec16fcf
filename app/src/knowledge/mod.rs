//! The knowledge base: texts somebody gave us, cut into passages that are
//! searched and cited.
//!
//! A source is accepted ([`accept`]) and answered for at once; a job cuts and
//! embeds it ([`jobs::ingest`]) and swaps its passages in, all or nothing.
//! [`requeue_lost`] finds what a crash between the two databases left behind. Every
//! reader passes the audience it reads for. [`search`] finds by meaning and by words.

pub mod accept;
mod change;
mod chunk;
mod collections;
mod delete;
mod duplicates;
mod fields;
mod files;
pub mod http;
mod ids;
pub mod import;
mod ingest;
pub mod jobs;
mod moving;
mod outline;
mod queries;
mod query_vector;
mod search;
mod source;
mod sweep;
pub mod words;

pub use chunk::MediaType;
pub use delete::{ON_ACCOUNT_DELETED, ON_ACCOUNT_SHARES_DELETED, ON_SOURCE_DELETED, SOURCE_DELETED};
pub use ingest::text_of;
pub use moving::{COLLECTION_DELETED, ON_COLLECTION_DELETED};
pub use query_vector::SpaceInfo;
pub use search::{
    ByWords, GroupBy, Hit, Passage, SearchMode, SearchRequest, SearchResult, expand, look_up, retrieve,
    search,
};
pub use source::{FileContent, Offer, SourceInput, SourceRequest};
pub use sweep::requeue_lost;
