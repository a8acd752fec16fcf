//! What models were used for, what it cost, and how much of it a user may have.
//!
//! One row a call ([`Spent`]), with the provider's own counts, or an estimate
//! that says so. A turn's row is written by the statement that ends the turn;
//! embeddings are written beside the work they are for. A model in this
//! process costs nothing and writes no row. Quotas are of answers, and of
//! embeddings that were asked for as such: a turn reserves what it may take, more
//! before each further round of tools, settles when it ends, and what a dead turn
//! reserved is given back by a sweep. What is no message ([`Unstored`]) reserves
//! and settles alike, under a time limit instead of a lease.

mod call;
mod embed;
pub mod http;
mod limits;
pub mod me;
mod price;
mod quota;
mod record;
pub mod report;
mod unstored;

pub use call::Call;
pub use embed::{QueryVector, common, embed, embed_on_quota, embed_passages, embed_query, embed_query_in};
pub use limits::{Limits, Own, OwnLimits, limits, own_limits, set_own_limits};
pub use price::cost;
pub use quota::{Wants, prompt_tokens, refund_lost, reserve, reserve_more};
pub use record::{Settling, Spending, Spent, record, settle_late, settling};
pub use unstored::Unstored;
