//! What a client asks.

use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::llm::{ChatMessage, Role};

/// Messages of one request.
const MESSAGES_MAX: usize = 1000;

/// What is handed to the model as it was given.
const HANDED_ON: [&str; 10] = [
    "temperature",
    "top_p",
    "max_tokens",
    "max_completion_tokens",
    "stop",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "response_format",
    "reasoning_effort",
];

/// A request of `/v1/chat/completions`. Other fields are ignored, but those
/// that a model heeds (`temperature`, `top_p`, `max_tokens`, `stop`, `seed`,
/// `response_format` and the like), which are handed on.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
pub struct CompletionRequest {
    /// The configured chat model, by name.
    #[garde(skip)]
    pub model: String,
    /// The conversation, oldest first; the last one is the user's.
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

/// Which of the user's own things the answer may rest on.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(default)]
pub struct Extension {
    /// Passages of the user's documents, cited as annotations.
    pub knowledge: bool,
    /// What the user told earlier.
    pub memory: bool,
}

impl Default for Extension {
    fn default() -> Self {
        Self { knowledge: true, memory: true }
    }
}

/// A message.
#[derive(Clone, Debug, Deserialize, ToSchema)]
pub struct Message {
    /// `system`, `developer`, `user` or `assistant`.
    pub role: String,
    /// A text, or parts of type `text`.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub content: Value,
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
    pub(super) fn options(&self) -> Map<String, Value> {
        let given = |name: &&str| Some(((*name).to_owned(), self.rest.get(*name)?.clone()));
        HANDED_ON.iter().filter_map(given).collect()
    }
}

impl Message {
    fn read(&self, index: usize) -> Result<ChatMessage> {
        let role = match self.role.as_str() {
            "system" | "developer" => Role::System,
            "user" => Role::User,
            "assistant" => Role::Assistant,
            other => {
                let message = format!("'{other}' is none of system, developer, user and assistant");
                return Err(Error::field(format!("messages[{index}].role"), message));
            }
        };
        Ok(ChatMessage::new(role, text(&self.content, index)?))
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
