//! Ids, times and counts as OpenAI's clients read them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::llm::Usage;

/// When something with this id was made: seconds since 1970.
pub(super) fn created(id: Uuid) -> i64 {
    let seconds = id.get_timestamp().map_or(0, |at| at.to_unix().0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

/// What an answer of `/v1/chat/completions` took; null if nobody knows.
pub(super) fn completion_usage(usage: Option<Usage>) -> Value {
    usage.map_or(Value::Null, |usage| {
        json!({
            "prompt_tokens": usage.prompt_tokens,
            "completion_tokens": usage.completion_tokens,
            "total_tokens": usage.total_tokens,
            "prompt_tokens_details": { "cached_tokens": usage.cached_prompt_tokens },
            "completion_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
        })
    })
}

/// The same of `/v1/responses`.
pub(super) fn response_usage(usage: Option<Usage>) -> Value {
    usage.map_or(Value::Null, |usage| {
        json!({
            "input_tokens": usage.prompt_tokens,
            "input_tokens_details": { "cached_tokens": usage.cached_prompt_tokens, "cache_write_tokens": 0 },
            "output_tokens": usage.completion_tokens,
            "output_tokens_details": { "reasoning_tokens": usage.reasoning_tokens },
            "total_tokens": usage.total_tokens,
        })
    })
}
