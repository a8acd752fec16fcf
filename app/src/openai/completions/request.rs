//! What a client asks.

use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::llm::{ChatMessage, Role};
use crate::openai::extension::Extension;
use crate::openai::tools;

/// Messages of one request.
const MESSAGES_MAX: usize = 1000;

/// What is handed to the model as it was given.
const HANDED_ON: [&str; 14] = [
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "response_format",
    "reasoning_effort",
    "verbosity",
    "tool_choice",
    "parallel_tool_calls",
];

/// A request of `/v1/chat/completions`. Other fields are ignored, but those
/// that a model heeds (`temperature`, `top_p`, `stop`, `seed`, `response_format`,
/// `tool_choice` and the like), which are handed on.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
pub struct CompletionRequest {
    /// A chat model of `/v1/models`, by name.
    #[garde(skip)]
    pub model: String,
    /// The conversation, oldest first; the last one is the user's, or a tool's.
    #[garde(length(min = 1, max = MESSAGES_MAX))]
    pub messages: Vec<Message>,
    /// Whether the answer comes in pieces.
    #[garde(skip)]
    #[serde(default)]
    pub stream: Option<bool>,
    /// With `include_usage` the last piece says what the answer took.
    #[garde(skip)]
    #[serde(default)]
    pub stream_options: Option<StreamOptions>,
    /// Answers; only 1.
    #[garde(skip)]
    #[serde(default)]
    pub n: Option<u32>,
    /// The client's own functions, at most 128: the model's calls of them come back.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub tools: Value,
    /// Longest answer, in tokens.
    #[garde(skip)]
    #[serde(default)]
    pub max_completion_tokens: Option<u32>,
    /// The same, by its older name.
    #[garde(skip)]
    #[serde(default)]
    pub max_tokens: Option<u32>,
    /// Tandem's own: which of the user's own things the answer may rest on.
    #[garde(skip)]
    #[serde(default)]
    pub tandem: Extension,
    /// Everything else.
    #[garde(skip)]
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub rest: Map<String, Value>,
}

/// Options of a stream.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
pub struct StreamOptions {
    /// Whether a last piece without choices says what the answer took.
    #[serde(default)]
    pub include_usage: bool,
}

/// A message.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct Message {
    /// `system`, `developer`, `user`, `assistant` or `tool`.
    pub role: String,
    /// A text, or parts of type `text`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub content: Value,
    /// The assistant's calls of the client's tools.
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub tool_calls: Option<Vec<Value>>,
    /// The call that a tool's message answers.
    #[serde(default)]
    pub tool_call_id: Option<String>,
}

impl CompletionRequest {
    /// The messages as models are given them.
    pub(super) fn prompt(&self) -> Result<Vec<ChatMessage>> {
        if self.n.is_some_and(|n| n != 1) {
            return Err(Error::field("n", "must be 1: one answer is made"));
        }
        self.messages.iter().enumerate().map(|(index, message)| message.read(index)).collect()
    }

    /// What the model heeds beside the messages.
    pub(super) fn options(&self) -> Result<Map<String, Value>> {
        let given = |name: &&str| Some(((*name).to_owned(), self.rest.get(*name)?.clone()));
        let mut options: Map<String, Value> = HANDED_ON.iter().filter_map(given).collect();
        match tools::checked(&self.tools)? {
            Some(tools) => {
                options.insert("tools".to_owned(), tools);
            }
            // Servers refuse a choice among no tools.
            None => {
                options.retain(|name, _| !["tool_choice", "parallel_tool_calls"].contains(&name.as_str()));
            }
        }
        Ok(options)
    }

    /// Longest answer.
    pub(super) fn answer_tokens(&self) -> Result<Option<u32>> {
        let given = [("max_completion_tokens", self.max_completion_tokens), ("max_tokens", self.max_tokens)];
        match given.iter().find(|(_, tokens)| *tokens == Some(0)) {
            Some((name, _)) => Err(Error::field(*name, "must be at least 1")),
            None => Ok(self.max_completion_tokens.or(self.max_tokens)),
        }
    }
}

impl Message {
    fn read(&self, index: usize) -> Result<ChatMessage> {
        let content = text(&self.content, index)?;
        let role = match self.role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => {
                let calls = self.tool_calls.iter().flatten().enumerate();
                let field = |at| format!("messages[{index}].tool_calls[{at}]");
                let calls = calls.map(|(at, call)| tools::call(call, &field(at)));
                return Ok(ChatMessage::calling(content, calls.collect::<Result<_>>()?));
            }
            "tool" => {
                let field = || format!("messages[{index}].tool_call_id");
                let id = self.tool_call_id.clone();
                let id = id.ok_or_else(|| Error::field(field(), "must name the call that is answered"))?;
                return Ok(ChatMessage::answering(id, content));
            }
            other => {
                let message = format!("'{other}' is none of system, developer, user, assistant and tool");
                return Err(Error::field(format!("messages[{index}].role"), message));
            }
        };
        Ok(ChatMessage::new(role, content))
    }
}

fn text(content: &Value, index: usize) -> Result<String> {
    let field = || format!("messages[{index}].content");
    match content {
        Value::String(text) => Ok(text.clone()),
        Value::Null => Ok(String::new()),
        Value::Array(parts) => parts
            .iter()
            .map(|part| match (part["type"].as_str(), part["text"].as_str()) {
                (Some("text"), Some(text)) => Ok(text),
                _ => Err(Error::field(field(), "parts other than text are not read here")),
            })
            .collect(),
        _ => Err(Error::field(field(), "must be a text or a list of text parts")),
    }
}
