//! The registry of tools as an MCP server, for programs with an API key.
//!
//! Streamable HTTP by the official SDK, without sessions: every request stands
//! for itself, so any replica answers it, and an answer is one JSON body. Whose
//! rows are touched follows from the key and from nothing in a message. A tool
//! whose scopes the key has not got does not exist for it: it is neither listed
//! nor called.
//!
//! What differs from a turn: see [`tools::program`](crate::tools::program) for
//! `remember` and `forget`. The web is searched, where that is configured, without
//! asking: what the program's model has read is not known here, and asking its user is
//! the program's part, which the tool's annotations tell it. Tools of external MCP
//! servers are not passed on: they are for turns, where their calls are approved.

pub mod http;
mod server;
