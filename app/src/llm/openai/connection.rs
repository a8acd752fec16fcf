//! The connection to a provider, and its failures in our words.

use std::time::Duration;

use async_openai::Client;
use async_openai::config::Config;
use async_openai::error::OpenAIError;
use reqwest::header::ACCEPT;
use reqwest::redirect;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::endpoint::Endpoint;
use super::events::{Broken, Events};
use super::transport::{Refusal, Transport, is_whole, read_refusal};
use crate::config::Models;
use crate::error::{Error, Result};
use crate::llm::ModelError;

/// Characters of a provider's words that are kept.
const DETAIL_CHARACTERS: usize = 500;

/// A way to a provider.
pub(super) struct Connection {
    /// For calls that are answered at once.
    pub plain: Client<Endpoint>,
    http: reqwest::Client,
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
        let transport = Transport { http: http.clone() };
        let plain = Client::build(http.clone(), endpoint.clone()).with_http_service(transport);
        Ok(Self { plain, http, endpoint })
    }

    /// Asks for a streamed answer.
    pub(super) async fn stream(&self, path: &str, body: &impl Serialize) -> Result<Events, ModelError> {
        let request = self.http.post(self.endpoint.url(path)).headers(self.endpoint.headers());
        let request = request.header(ACCEPT, "text/event-stream").json(body);
        let response = request.send().await.map_err(|error| self.unreachable(&error))?;
        if !response.status().is_success() || is_whole(&response) {
            return Err(self.refusal(&read_refusal(response).await));
        }
        Ok(Events::new(response))
    }

    /// Says in our words what went wrong, without any secret.
    pub(super) fn failure(&self, error: OpenAIError) -> ModelError {
        match error {
            OpenAIError::Boxed(error) => match error.downcast::<Refusal>() {
                Ok(refusal) => self.refusal(&refusal),
                Err(other) => ModelError::Malformed { detail: self.clean(&other.to_string()) },
            },
            OpenAIError::Reqwest(error) => self.unreachable(&error),
            OpenAIError::JSONDeserialize(error, _) => {
                ModelError::Malformed { detail: self.clean(&error.to_string()) }
            }
            other => ModelError::Malformed { detail: self.clean(&other.to_string()) },
        }
    }

    /// The same of a stream that broke off.
    pub(super) fn broken(&self, broken: Broken) -> ModelError {
        match broken {
            Broken::Cut => ModelError::Cut,
            Broken::Malformed(detail) => ModelError::Malformed { detail: self.clean(&detail) },
        }
    }

    fn unreachable(&self, error: &reqwest::Error) -> ModelError {
        let detail = format!("{}: {}", self.endpoint.host(), self.clean(&reason(error)));
        ModelError::Unreachable { detail }
    }

    /// A provider's words, without the key and not longer than is useful.
    pub(super) fn clean(&self, words: &str) -> String {
        let mut words = words.to_owned();
        for secret in self.endpoint.secrets() {
            words = words.replace(secret.expose_secret(), "[redacted]");
        }
        match words.char_indices().nth(DETAIL_CHARACTERS) {
            Some((end, _)) => format!("{}...", &words[..end]),
            None => words,
        }
    }

    fn refusal(&self, refusal: &Refusal) -> ModelError {
        let detail = self.clean(&refusal.detail);
        match refusal.status {
            200..300 => ModelError::Malformed { detail },
            429 => ModelError::RateLimited { detail, retry_after_s: refusal.retry_after_s },
            status => ModelError::Refused { status, detail },
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.endpoint.fmt(formatter)
    }
}

/// The innermost cause: the outer ones repeat the address, userinfo included.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    if std::ptr::addr_eq(cause, error) {
        return if error.is_timeout() {
            "it took too long".to_owned()
        } else {
            "the request failed".to_owned()
        };
    }
    cause.to_string()
}
