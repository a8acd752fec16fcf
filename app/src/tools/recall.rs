//! `recall`: what the user told, by meaning.

use garde::Validate;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::registry::Tool;
use super::report::Found;
use super::{Caller, ToolError};
use crate::memory;
use crate::web::text;

const LIMIT_DEFAULT: u64 = 5;
const LIMIT_MAX: u64 = 20;

/// Searches what the user told.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Recall {
    /// What to search for, in words.
    #[garde(length(chars, min = 1, max = 1000), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 1000)]
    query: String,
    /// Memories wanted, 5 if it is left out, at most 20.
    #[serde(default)]
    #[garde(skip)]
    #[schema(minimum = 1, maximum = 20)]
    limit: Option<u64>,
}

impl Tool for Recall {
    const NAME: &'static str = "recall";
    const DESCRIPTION: &'static str =
        "Searches what the user told earlier, the memories, by meaning. Each has an id.";

    const SCOPES: &'static [&'static str] = &["memory:read"];

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let state = &caller.state;
        state.outbox.settle(caller.user.id).await?;
        let vector = crate::usage::embed_query(state, caller.user.id, &self.query).await?;
        let found = memory::recall(state, &caller.user.audience(), caller.pair, &vector, limit).await?;
        let items: Vec<Value> = found
            .iter()
            .map(|memory| json!({ "id": memory.id, "content": memory.content, "similarity": memory.similarity }))
            .collect();
        let record: Vec<Value> = found.iter().map(|memory| json!({ "id": memory.id })).collect();
        Ok(Found {
            data: json!({ "items": items }),
            applied: json!({ "query": self.query, "limit": limit }),
            record: json!({ "items": record }),
            ..Found::default()
        })
    }
}
