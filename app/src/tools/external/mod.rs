//! Tools of external MCP servers, for turns.
//!
//! Off unless the operator turns them on and names the hosts. An administrator
//! adds a server and approves tools of it, each as it is described at that moment: name,
//! description and schema are pinned by a hash. What the model is told is what was
//! approved, and before each call the server is asked whether it still says
//! the same; a tool that changed is not offered any more until it is approved anew.
//!
//! A server is foreign: its words are part of the turn from the beginning, so each call
//! waits for the user's approval, and its results are data. It is told the
//! arguments of the call and nothing about the user.

mod address;
mod call;
mod client;
mod inspect;
mod offer;
mod pin;
mod servers;

use std::sync::Arc;

use entity::ids::McpServerId;

pub(super) use call::run;
pub use inspect::{Inspected, approve, inspect};
pub use offer::{TOKENS_MAX, offered};
pub use pin::{Pin, Standing};
pub use servers::{Change, Credentials, NewServer, add, change, delete, find, list, pins};

use crate::llm::ToolSpec;

/// Tools of external servers that a turn has.
pub type ExternalTools = Arc<[ExternalTool]>;

/// Between the server's name and the tool's.
const SEPARATOR: &str = "__";

/// A tool of an external server, as it was approved.
#[derive(Clone, Debug, PartialEq)]
pub struct ExternalTool {
    /// Its server.
    pub(super) server_id: McpServerId,
    /// Its name there.
    pub(super) name: String,
    /// As the model is told of it; its name is `server__tool`.
    pub spec: Arc<ToolSpec>,
}
