//! The connection to a provider: address, key, transport, and failures in our words.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_openai::Client;
use async_openai::config::Config;
use async_openai::error::{OpenAIError, StreamError};
use async_openai::middleware::HttpRequestFactory;
use futures::future::BoxFuture;
use futures::stream::{StreamExt, once};
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Response, redirect};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use super::wire::words_of;
use crate::config::Models;
use crate::error::{Error, Result};
use crate::llm::ModelError;

const OPENAI: &str = "https://api.openai.com/v1";
/// Characters of a provider's words that are kept.
const DETAIL_CHARACTERS: usize = 500;
/// Bytes of a refusal that are read.
const REFUSAL_BYTES: usize = 16_384;

/// A way to a provider.
pub(super) struct Connection {
    /// For calls that are answered at once.
    pub plain: Client<Endpoint>,
    /// For streamed answers.
    pub streaming: Client<Endpoint>,
    endpoint: Endpoint,
}

impl Connection {
    /// Prepares the connection of the settings; nothing is sent yet.
    pub(super) fn new(settings: &Models) -> Result<Self> {
        let endpoint = Endpoint::new(settings)?;
        let mut builder = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(settings.connect_timeout_s))
            // A redirect could send the key and the prompt somewhere else.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")));
        if endpoint.is_loopback() {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| {
            Error::startup(
                format!("the HTTP client cannot be made: {}", reason(&error)),
                "check that the system's certificates are installed (package ca-certificates)",
            )
        })?;
        let client = |streams| {
            Client::build(http.clone(), endpoint.clone())
                .with_http_service(Transport { http: http.clone(), streams })
        };
        Ok(Self { plain: client(false), streaming: client(true), endpoint })
    }

    /// Says in our words what went wrong, without any secret.
    pub(super) fn failure(&self, error: OpenAIError) -> ModelError {
        match error {
            OpenAIError::Boxed(error) => match error.downcast::<Refusal>() {
                Ok(refusal) => self.refusal(*refusal),
                Err(other) => ModelError::Malformed { detail: self.clean(&other.to_string()) },
            },
            OpenAIError::Reqwest(error) => ModelError::Unreachable {
                detail: format!("{}: {}", self.endpoint.host(), self.clean(&reason(&error))),
            },
            OpenAIError::JSONDeserialize(error, _) => ModelError::Malformed { detail: self.clean(&error.to_string()) },
            OpenAIError::StreamError(error) => match *error {
                // Whatever broke the bytes off, a closed connection included.
                StreamError::EventStream(detail) if detail.starts_with("Transport error") => ModelError::Cut,
                other => ModelError::Malformed { detail: self.clean(&other.to_string()) },
            },
            other => ModelError::Malformed { detail: self.clean(&other.to_string()) },
        }
    }

    /// A provider's words, without the key and not longer than is useful.
    pub(super) fn clean(&self, words: &str) -> String {
        let mut words = words.to_owned();
        for secret in self.endpoint.secrets.iter() {
            words = words.replace(secret.expose_secret(), "[redacted]");
        }
        match words.char_indices().nth(DETAIL_CHARACTERS) {
            Some((end, _)) => format!("{}...", &words[..end]),
            None => words,
        }
    }

    fn refusal(&self, refusal: Refusal) -> ModelError {
        let detail = self.clean(&refusal.detail);
        match refusal.status {
            200..300 => ModelError::Malformed { detail },
            429 => ModelError::RateLimited { detail, retry_after_s: refusal.retry_after_s },
            status => ModelError::Refused { status, detail },
        }
    }
}

/// Where the provider is and how one is let in.
#[derive(Clone)]
pub(super) struct Endpoint {
    base: Arc<Url>,
    key: SecretString,
    headers: HeaderMap,
    /// Texts that no error may hold.
    secrets: Arc<Vec<SecretString>>,
}

impl Endpoint {
    fn new(settings: &Models) -> Result<Self> {
        let base = match &settings.openai_base_url {
            Some(url) => url.clone(),
            None => Url::parse(OPENAI).map_err(|error| Error::internal("reading the default address", error))?,
        };
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(Error::startup(
                format!("OPENAI_BASE_URL has the scheme `{}`", base.scheme()),
                "use an http or https address, for example http://127.0.0.1:11434/v1",
            ));
        }
        let key = settings.openai_api_key.as_ref().map_or("", |key| key.expose_secret().trim());
        let mut headers = HeaderMap::new();
        if !key.is_empty() {
            let mut value = HeaderValue::from_str(&format!("Bearer {key}")).map_err(|_| {
                Error::startup("OPENAI_API_KEY holds characters that no header can", "copy the key again, without line breaks")
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let secrets = [key, base.password().unwrap_or_default()];
        let secrets = secrets.iter().filter(|secret| !secret.is_empty()).map(|secret| SecretString::from(*secret)).collect();
        Ok(Self { base: Arc::new(base), key: SecretString::from(key), headers, secrets: Arc::new(secrets) })
    }

    /// Host and port, without anything else of the address.
    fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn is_loopback(&self) -> bool {
        match self.base.host() {
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            Some(Host::Domain(name)) => name == "localhost",
            None => false,
        }
    }
}

impl std::fmt::Debug for Endpoint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Endpoint").field("host", &self.host()).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.endpoint.fmt(formatter)
    }
}

impl Config for Endpoint {
    fn headers(&self) -> HeaderMap {
        self.headers.clone()
    }

    fn url(&self, path: &str) -> String {
        // The base may end with a slash and may carry a query (`?api-version=`).
        let mut url = Url::clone(&self.base);
        let joined = format!("{}{path}", url.path().trim_end_matches('/'));
        url.set_path(&joined);
        url.into()
    }

    fn query(&self) -> Vec<(&str, &str)> {
        Vec::new()
    }

    fn api_base(&self) -> &str {
        self.base.as_str()
    }

    fn api_key(&self) -> &SecretString {
        &self.key
    }
}

/// Sends a request once. async-openai's own transport would retry, would drop
/// Retry-After, and could not tell a closed stream from a complete one.
#[derive(Clone)]
struct Transport {
    http: reqwest::Client,
    streams: bool,
}

/// An answer other than the one that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {detail}")]
struct Refusal {
    status: u16,
    detail: String,
    retry_after_s: Option<u64>,
}

impl tower::Service<HttpRequestFactory> for Transport {
    type Response = Response;
    type Error = OpenAIError;
    type Future = BoxFuture<'static, Result<Response, OpenAIError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), OpenAIError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, factory: HttpRequestFactory) -> Self::Future {
        let Self { http, streams } = self.clone();
        Box::pin(async move {
            let request = factory.build().await?;
            let response = http.execute(request).await?;
            if !response.status().is_success() || (streams && is_json(&response)) {
                return Err(OpenAIError::Boxed(Box::new(read_refusal(response).await)));
            }
            Ok(if streams { with_end_mark(response) } else { response })
        })
    }
}

/// Makes a body that just ends fail. async-openai stops reading at `[DONE]`,
/// so only a stream that was closed before that comes to this point.
fn with_end_mark(response: Response) -> Response {
    let closed = once(async { Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof)) });
    let body = response.bytes_stream().map(|bytes| bytes.map_err(std::io::Error::other)).chain(closed);
    axum::http::Response::new(reqwest::Body::wrap_stream(body)).into()
}

fn is_json(response: &Response) -> bool {
    let content_type = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|value| value.starts_with("application/json"))
}

async fn read_refusal(mut response: Response) -> Refusal {
    let status = response.status().as_u16();
    let seconds = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after_s = seconds.and_then(|value| value.trim().parse::<f64>().ok()).map(whole_seconds);
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

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates, which is right here")]
fn whole_seconds(seconds: f64) -> u64 {
    seconds.ceil() as u64
}

/// The innermost cause: the outer ones repeat the address, userinfo included.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, error) {
        return if error.is_timeout() { "it took too long".to_owned() } else { "the request failed".to_owned() };
    }
    cause.to_string()
}
