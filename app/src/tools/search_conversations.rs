//! `search_conversations`: the user's own messages and the answers to them, by words.

use garde::Validate;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::registry::Tool;
use super::report::Found;
use super::{Caller, ToolError};
use crate::conversation::search;
use crate::web::text;

const LIMIT_DEFAULT: u64 = 5;
const LIMIT_MAX: u64 = 20;

/// Searches earlier conversations.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchConversations {
    /// Words that all have to occur in a message, in any form; "phrases in quotes", `or` and `-without` are understood.
    #[garde(length(chars, min = 1, max = 200), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 200)]
    query: String,
    /// Messages wanted, 5 if it is left out, at most 20.
    #[serde(default)]
    #[garde(skip)]
    #[schema(minimum = 1, maximum = 20)]
    limit: Option<u64>,
}

impl Tool for SearchConversations {
    const NAME: &'static str = "search_conversations";
    const DESCRIPTION: &'static str =
        "Searches the user's earlier conversations for messages that hold all the given words, best first.";

    const SCOPES: &'static [&'static str] = &["chat:read"];

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let except = caller.turn.as_ref().map(|turn| turn.user_message_id);
        let whole = search::Whole { except, pair: caller.pair };
        let hits = search::find_whole(&caller.state.core, caller.user.id, &self.query, whole, limit).await?;
        let items: Vec<Value> = hits
            .iter()
            .map(|hit| {
                json!({
                    "conversation_id": hit.conversation_id,
                    "conversation": hit.conversation_title,
                    "said_by": hit.role,
                    "at": hit.created_at,
                    "content": hit.plain_snippet(),
                })
            })
            .collect();
        let record: Vec<Value> = hits
            .iter()
            .map(|hit| json!({ "message_id": hit.message_id, "conversation_id": hit.conversation_id }))
            .collect();
        Ok(Found {
            data: json!({ "items": items }),
            applied: json!({ "query": self.query, "limit": limit }),
            record: json!({ "items": record }),
            ..Found::default()
        })
    }
}
