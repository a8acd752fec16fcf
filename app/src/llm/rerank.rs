//! Reranking: a model reads the question together with each passage.

use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::StreamExt;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, Response, redirect};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::{Value, json};
use url::Url;

use super::ModelError;
use crate::config::{Rerank, RerankStyle};
use crate::error::{Error, Result};

/// Bytes of an answer that are read: some 200 numbers, and what servers repeat of the texts.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// Characters of a server's words that are kept.
const DETAIL_CHARACTERS: usize = 300;

/// A model that says how well passages answer a question.
pub trait Reranker: Send + Sync + std::fmt::Debug {
    /// Its name.
    fn model(&self) -> &str;

    /// One score a text, in the order of the texts; higher is better. Bounded in time.
    fn rerank(&self, query: &str, texts: &[&str]) -> BoxFuture<'static, Result<Vec<f64>, ModelError>>;
}

/// The reranker of the settings; none if there is none.
pub fn from_settings(settings: &Rerank) -> Result<Option<Arc<dyn Reranker>>> {
    let Some(url) = &settings.url else { return Ok(None) };
    Ok(Some(Arc::new(Http::new(settings, url)?)))
}

/// A reranking server.
struct Http {
    client: Client,
    url: Url,
    style: RerankStyle,
    model: Option<String>,
    limit: Duration,
}

impl Http {
    fn new(settings: &Rerank, url: &Url) -> Result<Self> {
        let mut headers = reqwest::header::HeaderMap::new();
        if let Some(key) = &settings.api_key {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose_secret().trim()))
                .map_err(|_| {
                    Error::startup(
                        "RERANK_API_KEY holds characters that no header can",
                        "copy the key again, without line breaks",
                    )
                })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let mut builder = Client::builder()
            .default_headers(headers)
            // A redirect could send key and passages somewhere else.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")));
        if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
            builder = builder.no_proxy();
        }
        let client =
            builder.build().map_err(|error| Error::internal("making the reranker's HTTP client", error))?;
        Ok(Self {
            client,
            url: url.clone(),
            style: settings.style,
            model: settings.model.clone(),
            limit: Duration::from_millis(settings.timeout_ms),
        })
    }

    fn body(&self, query: &str, texts: &[&str]) -> Value {
        match self.style {
            RerankStyle::Cohere => {
                let mut body = json!({ "query": query, "documents": texts, "top_n": texts.len() });
                if let Some(model) = &self.model {
                    body["model"] = json!(model);
                }
                body
            }
            RerankStyle::Tei => json!({ "query": query, "texts": texts, "truncate": true }),
        }
    }
}

impl Reranker for Http {
    fn model(&self) -> &str {
        self.model.as_deref().unwrap_or("unnamed")
    }

    fn rerank(&self, query: &str, texts: &[&str]) -> BoxFuture<'static, Result<Vec<f64>, ModelError>> {
        let request = self.client.post(self.url.clone()).json(&self.body(query, texts));
        let (count, limit) = (texts.len(), self.limit);
        let work = async move {
            let response = request.send().await.map_err(|error| unreachable(&error))?;
            scores(&read(response).await?, count)
        };
        Box::pin(async move {
            let timed_out = |_| ModelError::TimedOut { waited_s: limit.as_secs() };
            tokio::time::timeout(limit, work).await.map_err(timed_out)?
        })
    }
}

impl std::fmt::Debug for Http {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Http").field("host", &self.url.host_str()).finish_non_exhaustive()
    }
}

/// Without the address, which may hold a password.
fn unreachable(error: &reqwest::Error) -> ModelError {
    let what =
        if error.is_connect() { "no connection to the reranker" } else { "the way to the reranker broke" };
    ModelError::Unreachable { detail: what.to_owned() }
}

async fn read(response: Response) -> Result<Vec<u8>, ModelError> {
    let status = response.status();
    let mut body = Vec::new();
    let mut pieces = response.bytes_stream();
    while let Some(piece) = pieces.next().await {
        body.extend_from_slice(&piece.map_err(|error| unreachable(&error))?);
        if body.len() > ANSWER_BYTES_MAX {
            return Err(malformed("an answer without an end"));
        }
    }
    if status.is_success() {
        return Ok(body);
    }
    let detail = String::from_utf8_lossy(&body).chars().take(DETAIL_CHARACTERS).collect();
    Err(ModelError::Refused { status: status.as_u16(), detail })
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Wrapped {
        #[serde(alias = "data")]
        results: Vec<Scored>,
    },
    Bare(Vec<Scored>),
}

#[derive(Debug, Deserialize)]
struct Scored {
    index: usize,
    #[serde(alias = "relevance_score")]
    score: f64,
}

/// Each text must have its score; which format it was asked in does not matter here.
fn scores(body: &[u8], count: usize) -> Result<Vec<f64>, ModelError> {
    let answer: Answer = serde_json::from_slice(body).map_err(|error| malformed(&error.to_string()))?;
    let (Answer::Wrapped { results } | Answer::Bare(results)) = answer;
    let mut scores = vec![None; count];
    for Scored { index, score } in results {
        let place = scores.get_mut(index).ok_or_else(|| malformed("a score for a text that was not sent"))?;
        if !score.is_finite() || place.replace(score).is_some() {
            return Err(malformed("a text with two scores, or one that is no number"));
        }
    }
    scores.into_iter().collect::<Option<_>>().ok_or_else(|| malformed("a text without a score"))
}

fn malformed(detail: &str) -> ModelError {
    ModelError::Malformed { detail: detail.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_formats_are_read_and_put_in_order() {
        let cohere = br#"{"id":"x","results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":-2}],"meta":{}}"#;
        let jina = br#"{"data":[{"index":0,"score":-2},{"index":1,"score":0.9,"document":{"text":"b"}}]}"#;
        let tei = br#"[{"index":1,"score":0.9},{"index":0,"score":-2.0}]"#;
        for body in [&cohere[..], jina, tei] {
            assert_eq!(scores(body, 2).unwrap(), [-2.0, 0.9]);
        }
    }

    #[test]
    fn half_an_answer_is_none() {
        for body in [
            &br#"[{"index":0,"score":1}]"#[..],
            br#"[{"index":0,"score":1},{"index":2,"score":1}]"#,
            br#"[{"index":0,"score":1},{"index":0,"score":1}]"#,
            br#"{"error":"busy"}"#,
            b"",
        ] {
            assert!(matches!(scores(body, 2), Err(ModelError::Malformed { .. })));
        }
    }
}
