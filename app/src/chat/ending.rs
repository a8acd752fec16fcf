//! How a turn ended.

use entity::core::message;

use crate::usage::Settling;

/// What the statement that ends a turn stores.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    pub(super) status: message::Status,
    pub(super) content: &'a str,
    pub(super) mode: &'static str,
    pub(super) model: &'a str,
    pub(super) memories: serde_json::Value,
    pub(super) usage: Option<crate::llm::Usage>,
    pub(super) first_token_ms: Option<i32>,
    pub(super) latency_ms: i32,
    pub(super) error: Option<serde_json::Value>,
    /// What goes into the ledger.
    pub(super) settling: Settling,
}

/// The first number of the ledger's values, after those of the message.
pub(super) const SETTLING_FROM: usize = 19;
