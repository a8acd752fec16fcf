//! The two databases.
//!
//! [`CoreDb`] and [`AiDb`] are distinct types, and so are their transactions:
//! a query written for one does not compile with the other. Nothing crosses
//! but plain ids.

mod adopt;
mod capacity;
mod connect;
pub mod copy_text;
pub mod doctor;
pub mod documents;
pub mod embedded;
pub mod engine;
mod facts;
mod group_commit;
mod handle;
pub mod journal;
mod large;
mod lock;
pub mod migrate;
pub mod pair;
mod patience;
mod preflight;
mod reach;
mod session;
pub mod settings;
pub mod space;
pub mod tables;
mod tx;
mod url;
pub mod vector;
pub mod word_index;

pub use connect::{Databases, Mode};
pub use embedded::Purpose;
pub use handle::{Ai, AiConn, AiDb, AiTx, Core, CoreConn, CoreDb, CoreTx, PoolState};
pub use large::LargeFilters;
pub use reach::Reach;
