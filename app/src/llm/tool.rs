//! Tools as a model sees them.

use std::borrow::Cow;

use serde_json::Value;

/// A tool that a model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// By what it is called.
    pub name: Cow<'static, str>,
    /// When to call it, for the model to read.
    pub description: Cow<'static, str>,
    /// JSON schema of its arguments, an object.
    pub parameters: Value,
}

/// A model's call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolCall {
    /// The provider's id of the call; made up where the provider gave none.
    pub id: String,
    /// The tool; it need not exist.
    pub name: String,
    /// The arguments as the model wrote them; they need not be JSON.
    pub arguments: String,
}
