//! The parts of the OpenAI wire format that are used, tolerant of the rest.

use std::sync::Arc;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::llm::{ChatMessage, Role, ToolCall, ToolSpec, Usage};

#[derive(Clone, Serialize)]
pub(super) struct ChatBody<'a> {
    pub model: &'a str,
    pub messages: Vec<Message<'a>>,
    pub stream: bool,
    /// OpenAI's newer models know only this name,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_completion_tokens: Option<u32>,
    /// and other servers only this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stream_options: Option<StreamOptions>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<Tool<'a>>,
    /// Last, so that nothing above can be said otherwise.
    #[serde(flatten)]
    pub options: &'a serde_json::Map<String, Value>,
}

#[derive(Clone, Serialize)]
pub(super) struct Message<'a> {
    pub role: &'static str,
    pub content: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<Call<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_call_id: Option<&'a str>,
}

/// A tool that may be called.
#[derive(Clone, Serialize)]
pub(super) struct Tool<'a> {
    pub r#type: &'static str,
    pub function: Function<'a>,
}

#[derive(Clone, Serialize)]
pub(super) struct Function<'a> {
    pub name: &'a str,
    pub description: &'a str,
    pub parameters: &'a Value,
}

/// A call that was made.
#[derive(Clone, Serialize)]
pub(super) struct Call<'a> {
    pub id: &'a str,
    pub r#type: &'static str,
    pub function: Called<'a>,
}

#[derive(Clone, Serialize)]
pub(super) struct Called<'a> {
    pub name: &'a str,
    pub arguments: &'a str,
}

impl<'a> From<&'a Arc<ToolSpec>> for Tool<'a> {
    fn from(spec: &'a Arc<ToolSpec>) -> Self {
        let ToolSpec { name, description, parameters, .. } = spec.as_ref();
        Self { r#type: "function", function: Function { name, description, parameters } }
    }
}

impl<'a> From<&'a ToolCall> for Call<'a> {
    fn from(call: &'a ToolCall) -> Self {
        let ToolCall { id, name, arguments } = call;
        Self { id, r#type: "function", function: Called { name, arguments } }
    }
}

#[derive(Clone, Serialize)]
pub(super) struct StreamOptions {
    pub include_usage: bool,
}

impl<'a> From<&'a ChatMessage> for Message<'a> {
    fn from(message: &'a ChatMessage) -> Self {
        let role = match message.role {
            Role::System => "system",
            Role::User => "user",
            Role::Assistant => "assistant",
            Role::Tool => "tool",
        };
        Self {
            role,
            content: &message.content,
            tool_calls: message.tool_calls.iter().map(Into::into).collect(),
            tool_call_id: message.tool_call_id.as_deref(),
        }
    }
}

/// One event of a streamed answer.
#[derive(Deserialize)]
pub(super) struct Chunk {
    pub choices: Option<Vec<Choice>>,
    /// Read by [`usage_of`]: a count that is none must not cost the answer.
    pub usage: Option<Value>,
    pub error: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct Choice {
    pub delta: Option<Delta>,
    pub finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
pub(super) struct Delta {
    #[serde(default)]
    pub content: Words,
    /// Pieces of calls, read by [`super::calls`].
    pub tool_calls: Option<Value>,
}

/// A string; anything else (null, parts of other kinds) is not text for us.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Words(pub String);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Self::default())
    }
}

impl<'de> Visitor<'de> for Words {
    type Value = Self;

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self, E> {
        Ok(Self(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Self, E> {
        Ok(Self(text))
    }

    fn visit_unit<E>(self) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self, E> {
        Ok(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(self)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self, A::Error> {
        while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(self)
    }
}

/// No provider reads or writes more at once; a larger count is made up.
const TOKENS_MAX: u64 = 100_000_000;

/// What a provider says it counted. Counts it leaves out are none; with one
/// that is no count at all, nothing is known.
pub(super) fn usage_of(value: &Value) -> Option<Usage> {
    let number = |count: Option<&Value>| match count {
        None | Some(Value::Null) => Some(None),
        Some(count) => {
            let count = count.as_u64().filter(|count| *count <= TOKENS_MAX)?;
            u32::try_from(count).ok().map(Some)
        }
    };
    let count = |name: &str| number(value.get(name));
    value.as_object()?;
    let prompt_tokens = count("prompt_tokens")?.unwrap_or_default();
    let completion_tokens = count("completion_tokens")?.unwrap_or_default();
    let total_tokens = count("total_tokens")?.unwrap_or(prompt_tokens.saturating_add(completion_tokens));
    // A share is no larger than the whole; what is said wrong of it is nothing.
    let share = |of: &str, name: &str, whole: u32| {
        let share = value.get(of).and_then(|details| number(details.get(name))).flatten();
        share.unwrap_or_default().min(whole)
    };
    Some(Usage {
        prompt_tokens,
        completion_tokens,
        total_tokens,
        cached_prompt_tokens: share("prompt_tokens_details", "cached_tokens", prompt_tokens),
        reasoning_tokens: share("completion_tokens_details", "reasoning_tokens", completion_tokens),
    })
}

/// What a provider has.
#[derive(Deserialize)]
pub(super) struct ModelList {
    pub data: Vec<ListedModel>,
}

#[derive(Deserialize)]
pub(super) struct ListedModel {
    pub id: String,
}

#[derive(Serialize)]
pub(super) struct EmbedBody<'a> {
    pub model: &'a str,
    pub input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct EmbedAnswer {
    pub data: Vec<EmbedRow>,
    pub usage: Option<Value>,
}

#[derive(Deserialize)]
pub(super) struct EmbedRow {
    pub index: Option<usize>,
    pub embedding: Vec<f32>,
}

/// What a provider says about a failure: `{"error": {"message"}}`,
/// `{"error": ".."}`, `{"message"}`, `{"detail"}`, or plain text.
pub(super) fn words_of(body: &str) -> String {
    match serde_json::from_str::<Value>(body) {
        Ok(value) => words_of_error(&value),
        // A proxy's page says nothing that fits here.
        Err(_) if body.trim_start().starts_with('<') => "an HTML page".to_owned(),
        Err(_) => body.trim().to_owned(),
    }
}

/// The same for an error object that is already read.
pub(super) fn words_of_error(value: &Value) -> String {
    let inner = value.get("error").unwrap_or(value);
    let message = inner.get("message").or_else(|| inner.get("detail")).unwrap_or(inner);
    message.as_str().map_or_else(|| message.to_string(), ToOwned::to_owned)
}

/// The status in an error object, where there is one.
pub(super) fn status_of_error(value: &Value) -> Option<u16> {
    let code = value.get("status").or_else(|| value.get("code"))?;
    let number = code.as_u64().or_else(|| code.as_str()?.parse().ok())?;
    u16::try_from(number).ok().filter(|status| (400..600).contains(status))
}
