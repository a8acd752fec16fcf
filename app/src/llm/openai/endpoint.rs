//! A provider's address and key.

use std::sync::Arc;

use async_openai::config::Config;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use url::{Host, Url};

use crate::config::Models;
use crate::error::{Error, Result};

const OPENAI: &str = "https://api.openai.com/v1";

/// Where the provider is and how one is let in.
#[derive(Clone)]
pub(super) struct Endpoint {
    base: Arc<Url>,
    key: SecretString,
    headers: HeaderMap,
    secrets: Arc<Vec<SecretString>>,
}

impl Endpoint {
    /// Reads and checks the settings.
    pub(super) fn new(settings: &Models) -> Result<Self> {
        let base = match &settings.openai_base_url {
            Some(url) => url.clone(),
            None => {
                Url::parse(OPENAI).map_err(|error| Error::internal("reading the default address", error))?
            }
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
                Error::startup(
                    "OPENAI_API_KEY holds characters that no header can",
                    "copy the key again, without line breaks",
                )
            })?;
            value.set_sensitive(true);
            headers.insert(AUTHORIZATION, value);
        }
        let secrets = [key, base.password().unwrap_or_default()];
        let secrets = secrets
            .iter()
            .filter(|secret| !secret.is_empty())
            .map(|secret| SecretString::from(*secret))
            .collect();
        Ok(Self { base: Arc::new(base), key: SecretString::from(key), headers, secrets: Arc::new(secrets) })
    }

    /// Texts that no error may hold.
    pub(super) fn secrets(&self) -> impl Iterator<Item = &SecretString> {
        self.secrets.iter()
    }

    /// Host and port, without anything else of the address.
    pub(super) fn host(&self) -> String {
        let host = self.base.host_str().unwrap_or_default();
        self.base.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    /// Whether the provider runs on this machine.
    pub(super) fn is_loopback(&self) -> bool {
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
