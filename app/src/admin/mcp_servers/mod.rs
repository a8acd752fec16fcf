//! `/admin/mcp-servers`: external MCP servers, and what is approved of them.

pub mod approve;
pub mod http;
