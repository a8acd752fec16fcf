//! Sends one request once, in place of async-openai's own transport.

use std::task::{Context, Poll};

use async_openai::error::OpenAIError;
use async_openai::middleware::HttpRequestFactory;
use futures::future::BoxFuture;
use futures::stream::StreamExt;
use reqwest::Response;
use reqwest::header::CONTENT_TYPE;

use super::limits;
use super::wire::words_of;

/// Bytes of a refusal that are read.
const REFUSAL_BYTES: usize = 16_384;

/// Bytes of an answer that comes at once: vectors, at most 2,048 of them.
const ANSWER_BYTES_MAX: usize = 256 << 20;

/// Sends a request once. async-openai's own transport would retry, and would
/// drop Retry-After.
#[derive(Clone)]
pub(super) struct Transport {
    /// Sends.
    pub http: reqwest::Client,
}

/// An answer other than the one that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {detail}")]
pub(super) struct Refusal {
    pub status: u16,
    pub detail: String,
    pub retry_after_s: Option<u64>,
}

impl tower::Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let http = self.http.clone();
        Box::pin(async move {
            let request = factory.build().await?;
            let response = http.execute(request).await?;
            if !response.status().is_success() {
                return Err(OpenAIError::Boxed(Box::new(read_refusal(response).await)));
            }
            Ok(bounded(response))
        })
    }
}

/// Makes a body without an end fail.
fn bounded(response: Response) -> Response {
    let mut left = ANSWER_BYTES_MAX;
    let body = response.bytes_stream().map(move |bytes| {
        let bytes = bytes.map_err(std::io::Error::other)?;
        left =
            left.checked_sub(bytes.len()).ok_or_else(|| std::io::Error::other("an answer without an end"))?;
        Ok::<_, std::io::Error>(bytes)
    });
    axum::http::Response::new(reqwest::Body::wrap_stream(body)).into()
}

/// A body of a type that is no stream of events, whatever its status says.
pub(super) fn is_whole(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type
        .is_some_and(|value| ["application/json", "text/html"].iter().any(|whole| value.starts_with(whole)))
}

pub(super) async fn read_refusal(mut response: Response) -> Refusal {
    let status = response.status().as_u16();
    let retry_after_s = limits::wanted_pause(response.headers());
    let mut body = Vec::new();
    // A refusal whose body breaks off is a refusal still.
    while body.len() < REFUSAL_BYTES
        && let Ok(Some(bytes)) = response.chunk().await
    {
        body.extend_from_slice(&bytes);
    }
    let words = words_of(&String::from_utf8_lossy(&body));
    let detail = match status {
        200..300 => format!("an answer at once instead of a stream: {words}"),
        300..400 => "a redirect, which is not followed; correct OPENAI_BASE_URL".to_owned(),
        _ => words,
    };
    Refusal { status, detail, retry_after_s }
}
