//! `[tools]`: what the model may call, and within which bounds.

use std::time::Duration;

use serde::Deserialize;

/// `[tools]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tools {
    /// Rounds of calls in a turn; 0 declares no tools.
    pub rounds: u32,
    /// Longest run of a call.
    pub call_timeout_ms: u64,
    /// Calls of a round that run at once.
    pub parallel: usize,
    /// Longest result of a call.
    pub result_characters: usize,
    /// Longest results of a turn together.
    pub turn_characters: usize,
    /// How long a call that reaches outside waits for the user's approval.
    pub approval_timeout_s: u64,
    /// Whether administrators may add external MCP servers.
    pub external_mcp: bool,
    /// The hosts such servers may be on, `host` or `host:port`.
    pub external_mcp_hosts: Vec<String>,
    /// A SearXNG-compatible search; unset: the web is not searched.
    pub web_search_url: Option<url::Url>,
}

impl Tools {
    /// Longest run of a call.
    pub fn call_timeout(&self) -> Duration {
        Duration::from_millis(self.call_timeout_ms)
    }

    /// How long a call waits for its approval.
    pub fn approval_timeout(&self) -> Duration {
        Duration::from_secs(self.approval_timeout_s)
    }
}

/// Key, value and allowed range of every number.
pub(super) fn ranges(tools: &Tools) -> [(&'static str, u64, u64, u64); 6] {
    [
        ("tools.rounds", u64::from(tools.rounds), 0, 20),
        ("tools.call_timeout_ms", tools.call_timeout_ms, 10, 600_000),
        ("tools.parallel", tools.parallel as u64, 1, 16),
        ("tools.result_characters", tools.result_characters as u64, 500, 1_000_000),
        ("tools.approval_timeout_s", tools.approval_timeout_s, 1, 600),
        ("tools.turn_characters", tools.turn_characters as u64, 500, 10_000_000),
    ]
}
