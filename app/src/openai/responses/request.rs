//! What a client of `/v1/responses` asks.

use garde::Validate;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::error::{Error, Result};
use crate::openai::extension::Extension;
use crate::openai::tools;

/// Largest `metadata`: pairs, and characters of a key and of a value.
const METADATA_PAIRS: usize = 16;
const METADATA_KEY: usize = 64;
const METADATA_VALUE: usize = 512;

/// What is handed to the model as it was given, where both APIs name it alike.
const HANDED_ON: [&str; 2] = ["temperature", "top_p"];
/// What is told again of the request.
const TOLD_AGAIN: [&str; 4] = ["temperature", "top_p", "reasoning", "user"];

/// A request of `/v1/responses`. Other fields are ignored, but those that a
/// model heeds (`temperature`, `top_p`, `reasoning.effort`), which are handed on.
#[derive(Clone, Debug, Deserialize, Validate, ToSchema)]
pub struct ResponseRequest {
    /// A chat model of `/v1/models`, by name.
    #[garde(skip)]
    pub model: String,
    /// A text, or items: messages, calls of functions and their results. The
    /// last one is the user's message, or a result.
    #[garde(skip)]
    #[schema(value_type = Object)]
    pub input: Value,
    /// Put before everything else; not carried over to responses that follow this one.
    #[garde(skip)]
    #[serde(default)]
    pub instructions: Option<String>,
    /// The response that this one follows.
    #[garde(skip)]
    #[serde(default)]
    pub previous_response_id: Option<String>,
    /// Whether the response is kept, as a message of a conversation (default). One that is not
    /// can neither be read again nor be followed by another.
    #[garde(skip)]
    #[serde(default)]
    pub store: Option<bool>,
    /// Whether to answer at once, and write the response meanwhile.
    #[garde(skip)]
    #[serde(default)]
    pub background: Option<bool>,
    /// Whether it comes as events.
    #[garde(skip)]
    #[serde(default)]
    pub stream: Option<bool>,
    /// Longest answer, in tokens.
    #[garde(inner(range(min = 1)))]
    #[serde(default)]
    #[schema(minimum = 1)]
    pub max_output_tokens: Option<u32>,
    /// The client's own functions, at most 128: the model's calls of them come back.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Vec<Object>>)]
    pub tools: Value,
    /// `auto`, `none`, `required`, or a function.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub tool_choice: Value,
    /// Whether the model may call several functions at once.
    #[garde(skip)]
    #[serde(default)]
    pub parallel_tool_calls: Option<bool>,
    /// The form of the text: `format` of type `text`, `json_object` or `json_schema`.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub text: Value,
    /// The client's own words: at most 16 pairs of texts.
    #[garde(skip)]
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub metadata: Option<Map<String, Value>>,
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

impl ResponseRequest {
    pub(super) fn is_stored(&self) -> bool {
        self.store.unwrap_or(true)
    }

    pub(super) fn is_background(&self) -> bool {
        self.background.unwrap_or(false)
    }

    pub(super) fn is_streamed(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    /// Refuses what cannot be kept, and what would change the answer if it were ignored.
    pub(super) fn check(&self) -> Result<()> {
        if self.is_background() && !self.is_stored() {
            return Err(Error::field(
                "background",
                "needs store: a response that is not kept cannot be read later",
            ));
        }
        for name in ["conversation", "prompt"] {
            if self.rest.get(name).is_some_and(|value| !value.is_null()) {
                return Err(Error::field(
                    name,
                    "is not known here; previous_response_id goes on with a conversation",
                ));
            }
        }
        let is_text = |key: &String, value: &Value| {
            key.chars().count() <= METADATA_KEY
                && value.as_str().is_some_and(|value| value.chars().count() <= METADATA_VALUE)
        };
        let pairs = self.metadata.iter().flatten();
        if self.metadata.as_ref().is_some_and(|pairs| pairs.len() > METADATA_PAIRS)
            || !pairs.into_iter().all(|(key, value)| is_text(key, value))
        {
            let message = format!(
                "must be at most {METADATA_PAIRS} pairs of texts, keys of {METADATA_KEY} and values of {METADATA_VALUE} characters"
            );
            return Err(Error::field("metadata", message));
        }
        Ok(())
    }

    /// What the model heeds beside the messages, in the words of chat completions.
    pub(super) fn options(&self) -> Result<Map<String, Value>> {
        let mut options = self.of_rest(&HANDED_ON);
        if let Some(tools) = tools::nested(&self.tools)? {
            options.insert("tools".to_owned(), tools);
            if !self.tool_choice.is_null() {
                options.insert("tool_choice".to_owned(), tools::nested_choice(&self.tool_choice)?);
            }
            if let Some(parallel) = self.parallel_tool_calls {
                options.insert("parallel_tool_calls".to_owned(), json!(parallel));
            }
        }
        if let Some(format) = self.response_format()? {
            options.insert("response_format".to_owned(), format);
        }
        let efforts = [("reasoning_effort", self.rest.get("reasoning").map(|given| &given["effort"]))];
        let verbosity = [("verbosity", Some(&self.text["verbosity"]))];
        for (name, value) in efforts.into_iter().chain(verbosity) {
            if let Some(value) = value.filter(|value| !value.is_null()) {
                options.insert(name.to_owned(), value.clone());
            }
        }
        Ok(options)
    }

    fn response_format(&self) -> Result<Option<Value>> {
        let format = &self.text["format"];
        match format["type"].as_str() {
            None if format.is_null() => Ok(None),
            Some("text") => Ok(None),
            Some("json_object") => Ok(Some(json!({ "type": "json_object" }))),
            Some("json_schema") => {
                let parts = ["name", "description", "schema", "strict"];
                let given =
                    parts.into_iter().filter_map(|part| Some((part.to_owned(), format.get(part)?.clone())));
                let schema: Map<String, Value> = given.filter(|(_, value)| !value.is_null()).collect();
                Ok(Some(json!({ "type": "json_schema", "json_schema": schema })))
            }
            _ => Err(Error::field("text.format.type", "must be text, json_object or json_schema")),
        }
    }

    /// What the client is told again, with the defaults it did not give.
    pub(super) fn told_again(&self) -> Value {
        let or = |value: &Value, default: Value| if value.is_null() { default } else { value.clone() };
        let mut again = json!({
            "model": self.model,
            "instructions": self.instructions,
            "previous_response_id": self.previous_response_id,
            "store": self.is_stored(),
            "background": self.is_background(),
            "max_output_tokens": self.max_output_tokens,
            "tools": or(&self.tools, json!([])),
            "tool_choice": or(&self.tool_choice, json!("auto")),
            "parallel_tool_calls": self.parallel_tool_calls.unwrap_or(true),
            "text": or(&self.text, json!({ "format": { "type": "text" } })),
            "metadata": self.metadata.clone().unwrap_or_default(),
            "truncation": "auto",
            "temperature": null,
            "top_p": null,
            "reasoning": { "effort": null, "summary": null },
            "user": null,
        });
        if let Value::Object(again) = &mut again {
            again.extend(self.of_rest(&TOLD_AGAIN));
        }
        again
    }

    fn of_rest(&self, names: &[&str]) -> Map<String, Value> {
        let given = |name: &&str| {
            Some(((*name).to_owned(), self.rest.get(*name).filter(|value| !value.is_null())?.clone()))
        };
        names.iter().filter_map(given).collect()
    }
}
