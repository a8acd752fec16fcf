//! What a client gets: one body, or pieces of it.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::conversation::CitationView;
use crate::llm::Usage;

/// What stands in every piece of an answer.
#[derive(Clone, Debug)]
pub(super) struct Head {
    pub(super) id: String,
    pub(super) created: i64,
    pub(super) model: String,
}

impl Head {
    /// An answer that begins now, as its id says.
    pub(super) fn new(id: Uuid, model: String) -> Self {
        let seconds = id.get_timestamp().map_or(0, |at| at.to_unix().0);
        let created = i64::try_from(seconds).unwrap_or(i64::MAX);
        Self { id: format!("chatcmpl-{}", id.simple()), created, model }
    }

    /// The whole answer.
    pub(super) fn whole(&self, text: &str, citations: &[CitationView], usage: Option<Usage>) -> Value {
        let annotations: Vec<Value> =
            citations.iter().enumerate().map(|(place, citation)| annotation(place, citation)).collect();
        let message =
            json!({ "role": "assistant", "content": text, "refusal": null, "annotations": annotations });
        let choice = json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": "stop" });
        json!({
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [choice],
            "usage": usage,
        })
    }

    /// A piece with this delta.
    pub(super) fn piece(&self, delta: &Value, finish: Option<&str>) -> Value {
        self.chunk(&json!([{ "index": 0, "delta": delta, "logprobs": null, "finish_reason": finish }]))
    }

    /// The last piece, which has no choices.
    pub(super) fn usage(&self, usage: Option<Usage>) -> Value {
        let mut chunk = self.chunk(&json!([]));
        chunk["usage"] = json!(usage);
        chunk
    }

    fn chunk(&self, choices: &Value) -> Value {
        json!({
            "id": self.id,
            "object": "chat.completion.chunk",
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

/// A citation as clients show sources: where in the text, and of what. Its
/// place among the answer's is what clients put pieces of lists together by.
pub(super) fn annotation(place: usize, citation: &CitationView) -> Value {
    json!({ "index": place, "type": "url_citation", "url_citation": {
        "start_index": citation.start,
        "end_index": citation.end,
        "title": citation.title,
        "url": format!("/api/v1/knowledge/sources/{}", citation.source_id),
        "source_id": citation.source_id,
        "document_id": citation.document_id,
        "index": citation.index,
        "page": citation.page,
        "quote": citation.quote,
    }})
}
