//! `search_knowledge`: documents, by meaning.

use garde::Validate;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::registry::Tool;
use super::report::Found;
use super::{Caller, ToolError};
use crate::auth;
use crate::knowledge::{self, Passage, SearchRequest};
use crate::web::text;

const LIMIT_DEFAULT: u64 = 5;
const LIMIT_MAX: u64 = 20;

/// Searches the user's documents.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SearchKnowledge {
    /// What to search for, in words.
    #[garde(length(chars, min = 1, max = 1000), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 1000)]
    query: String,
    /// Passages wanted, 5 if it is left out, at most 20.
    #[serde(default)]
    #[garde(skip)]
    #[schema(minimum = 1, maximum = 20)]
    limit: Option<u64>,
    /// Only documents with one of these labels.
    #[serde(default)]
    #[garde(length(max = 20), inner(inner(length(chars, max = 100), custom(text::no_nul))))]
    scopes: Option<Vec<String>>,
}

impl Tool for SearchKnowledge {
    const NAME: &'static str = "search_knowledge";
    const DESCRIPTION: &'static str = "Searches the user's documents by meaning and returns passages. Each has a number: cite it like [7] after a statement that rests on it.";

    const SCOPES: &'static [&'static str] = &["knowledge:read"];

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let limit = self.limit.unwrap_or(LIMIT_DEFAULT).clamp(1, LIMIT_MAX);
        let scopes = self.scopes.filter(|scopes| !scopes.is_empty());
        let applied = json!({ "query": self.query, "limit": limit, "scopes": scopes });
        let state = &caller.state;
        state.outbox.settle(caller.user.id).await?;
        let request = SearchRequest { query: Some(self.query), limit, scopes, ..SearchRequest::default() };
        // A turn may last for minutes; what is shared by now counts.
        let user = auth::again(&state.core, &caller.user).await?;
        let found = knowledge::search(state, &user.audience(), request).await?;
        let passages: Vec<Passage> = found.hits.into_iter().map(Passage::from).collect();
        let items: Vec<Value> = passages.iter().map(item).collect();
        let record: Vec<Value> = passages
            .iter()
            .map(|passage| json!({ "document_id": passage.document_id, "source_id": passage.source_id }))
            .collect();
        Ok(Found {
            data: json!({ "items": items }),
            passages,
            applied,
            record: json!({ "items": record }),
            ..Found::default()
        })
    }
}

fn item(passage: &Passage) -> Value {
    json!({
        "number": 0,
        "title": passage.title,
        "section": passage.heading_path,
        "source_id": passage.source_id,
        "page": passage.page,
        "content": passage.content,
    })
}
