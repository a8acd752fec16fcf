//! `[rerank]`: a model that reads question and passage together.

use secrecy::SecretString;
use serde::Deserialize;

use crate::error::{Error, Result};

/// `[rerank]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rerank {
    /// The whole address of the endpoint; none: passages keep the order of the search.
    pub url: Option<url::Url>,
    /// What its server takes.
    pub style: RerankStyle,
    /// Its model, where the server has several.
    pub model: Option<String>,
    /// Sent as a bearer token.
    pub api_key: Option<SecretString>,
    /// Passages that are read, the first ones.
    pub candidates: u64,
    /// Longest wait; then passages keep their order.
    pub timeout_ms: u64,
}

/// The wire format of a reranking server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RerankStyle {
    /// `{model, query, documents}`: Cohere, Jina, and the `/v1/rerank` of OpenAI-compatible servers.
    Cohere,
    /// `{query, texts}`: Hugging Face's text-embeddings-inference.
    Tei,
}

/// Key, value and allowed range of every number.
pub(super) fn ranges(rerank: &Rerank) -> [(&'static str, u64, u64, u64); 2] {
    [("rerank.candidates", rerank.candidates, 1, 200), ("rerank.timeout_ms", rerank.timeout_ms, 1, 60_000)]
}

pub(super) fn check(rerank: &Rerank) -> Result<()> {
    let Some(url) = &rerank.url else { return Ok(()) };
    if matches!(url.scheme(), "http" | "https") && url.host().is_some() {
        return Ok(());
    }
    Err(Error::startup(
        format!("RERANK_URL has the scheme `{}`", url.scheme()),
        "give the whole http or https address, for example http://127.0.0.1:8082/rerank",
    ))
}
