//! `Idempotency-Key`: a request that is sent again does nothing again.
//!
//! [`keep`] stands behind the gate, in front of the routes that
//! create. Under a key the id of what will be made is decided first and stored
//! with a lease; the handler takes it ([`Attempt`]) as the primary
//! key of its row. A crash between the deed and the stored answer therefore
//! cannot double anything: whoever tries again meets the row.
//!
//! A request under a key runs to its end even when its client leaves. Answers
//! of 2xx are kept for a day. Refusals (4xx) free the key: nothing was done.
//! After a failure (5xx) the key stays with its id, and the next one tries.

mod attempt;
mod body;
mod layer;
mod queries;

pub use attempt::{Attempt, REPLAYED};
pub use layer::{Keeper, Kind, Rule, keep};
pub use queries::{delete_expired, forget, forget_all, forget_made_at, forget_naming};

/// The request header.
pub const HEADER: &str = "idempotency-key";
