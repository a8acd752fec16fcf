//! Citations as OpenAI's clients show sources: where in the text, and of what.
//! They are of passages: an answer of `/v1` is told no portfolio's figures, as its
//! tools are the client's own.

use serde_json::{Value, json};

/// An annotation of `/v1/responses`. `citation` is as in the chat's events.
pub(super) fn flat(citation: &Value) -> Value {
    let mut annotation = fields(citation);
    annotation["type"] = json!("url_citation");
    annotation
}

/// An annotation of `/v1/chat/completions`. Its place among the answer's is
/// what clients put pieces of lists together by.
pub(super) fn nested(place: usize, citation: &Value) -> Value {
    json!({ "index": place, "type": "url_citation", "url_citation": fields(citation) })
}

fn fields(citation: &Value) -> Value {
    json!({
        "start_index": citation["start"],
        "end_index": citation["end"],
        "title": citation["title"],
        "url": format!("/api/v1/knowledge/sources/{}", citation["source_id"].as_str().unwrap_or_default()),
        "source_id": citation["source_id"],
        "document_id": citation["document_id"],
        "index": citation["index"],
        "page": citation["page"],
        "quote": citation["quote"],
    })
}
