//! Fetching what somebody else names: only from where everybody may fetch.
//!
//! A name is resolved here, every address it resolves to is checked, and the
//! connection goes to just those; so is each redirect. A name that resolves
//! otherwise a moment later changes nothing, and no proxy resolves it again.

mod address;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::{ACCEPT, CONTENT_ENCODING, CONTENT_TYPE, LOCATION};
use reqwest::{Client, Response, StatusCode, redirect};
use tokio::net::lookup_host;
use url::{Host, Url};

use crate::config::Files;

/// Redirects that are followed.
const REDIRECTS_MAX: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest address, in bytes.
const ADDRESS_BYTES_MAX: usize = 2_000;
const ACCEPTED: &str =
    "text/html, application/xhtml+xml, text/markdown, text/plain, application/pdf, */*;q=0.5";

/// What an address answered with.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The body.
    pub bytes: Bytes,
    /// What it was called: media type and parameters.
    pub content_type: Option<String>,
    /// The name of the file, as the last address ends.
    pub file_name: Option<String>,
}

/// Why nothing was fetched: a sentence for whoever gave the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// It is not allowed, or no use to try again.
    Refused(String),
    /// Later it may succeed.
    Passing(String),
}

/// Reads an address and looks at what can be seen without asking anybody.
pub fn checked(address: &str, files: &Files) -> Result<Url, String> {
    if address.len() > ADDRESS_BYTES_MAX {
        return Err(format!("must have at most {ADDRESS_BYTES_MAX} bytes"));
    }
    let url = Url::parse(address)
        .map_err(|error| format!("must be an address such as https://example.com/page: {error}"))?;
    visible(&url, files)?;
    Ok(url)
}

/// Fetches within the time and size that the settings allow.
pub async fn fetch(address: &Url, files: &Files) -> Result<Fetched, Failure> {
    tokio::time::timeout(files.url_timeout(), follow(address.clone(), files)).await.unwrap_or_else(|_| {
        let limit = files.url_timeout_s;
        Err(Failure::Passing(format!("the address did not answer in full within {limit} seconds")))
    })
}

async fn follow(mut url: Url, files: &Files) -> Result<Fetched, Failure> {
    for _ in 0..=REDIRECTS_MAX {
        visible(&url, files).map_err(|why| Failure::Refused(format!("{} {why}", shown(&url))))?;
        let addresses = resolved(&url, files).await?;
        let response = ask(&url, &addresses).await?;
        if !response.status().is_redirection() || response.status() == StatusCode::NOT_MODIFIED {
            return read(response, &url, files.upload_limit_bytes).await;
        }
        let target = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        url = target
            .and_then(|target| url.join(target).ok())
            .ok_or_else(|| Failure::Refused("the address redirects to nowhere".to_owned()))?;
    }
    Err(Failure::Refused(format!("the address redirects more than {REDIRECTS_MAX} times")))
}

/// What an address says itself: the protocol, who asks, the port, and a host that is one already.
fn visible(url: &Url, files: &Files) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err("must begin with http:// or https://".to_owned());
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("must hold no user name and no password".to_owned());
    }
    let port = url.port_or_known_default().unwrap_or_default();
    if !files.url_ports.contains(&port) {
        return Err(format!("leads to port {port}, which is not allowed"));
    }
    let literal = match url.host() {
        Some(Host::Ipv4(address)) => Some(address.into()),
        Some(Host::Ipv6(address)) => Some(address.into()),
        Some(Host::Domain(_)) => None,
        None => return Err("must name a host".to_owned()),
    };
    match literal {
        Some(literal) if !address::is_allowed(literal, &files.url_networks) => Err(NOT_PUBLIC.to_owned()),
        _ => Ok(()),
    }
}

const NOT_PUBLIC: &str = "leads to an address that is not public";

/// Where to connect to. A name is refused if any of its addresses is not allowed.
async fn resolved(url: &Url, files: &Files) -> Result<Vec<SocketAddr>, Failure> {
    let port = url.port_or_known_default().unwrap_or_default();
    let name = match url.host() {
        Some(Host::Domain(name)) => name,
        Some(Host::Ipv4(address)) => return Ok(vec![SocketAddr::new(address.into(), port)]),
        Some(Host::Ipv6(address)) => return Ok(vec![SocketAddr::new(address.into(), port)]),
        None => return Ok(Vec::new()),
    };
    let unknown = || Failure::Passing(format!("no server is known under the name {name}"));
    let addresses: Vec<SocketAddr> = lookup_host((name, port)).await.map_err(|_| unknown())?.collect();
    if addresses.is_empty() {
        return Err(unknown());
    }
    if addresses.iter().any(|place| !address::is_allowed(place.ip(), &files.url_networks)) {
        return Err(Failure::Refused(format!("{} {NOT_PUBLIC}", shown(url))));
    }
    Ok(addresses)
}

/// Asks once. A client of its own for each hop is bound to the addresses that were checked.
async fn ask(url: &Url, addresses: &[SocketAddr]) -> Result<Response, Failure> {
    let mut builder = Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(redirect::Policy::none())
        .referer(false)
        // A proxy would look up the name once more.
        .no_proxy()
        .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")));
    if let Some(name) = url.domain() {
        builder = builder.resolve_to_addrs(name, addresses);
    }
    let unreachable = |error: reqwest::Error| {
        tracing::info!(
            is_timeout = error.is_timeout(),
            is_connect = error.is_connect(),
            "an address was not fetched"
        );
        Failure::Passing(format!("{} cannot be reached", shown(url)))
    };
    let client = builder.build().map_err(unreachable)?;
    client.get(url.clone()).header(ACCEPT, ACCEPTED).send().await.map_err(unreachable)
}

async fn read(mut response: Response, url: &Url, limit: usize) -> Result<Fetched, Failure> {
    let status = response.status();
    if !status.is_success() {
        let sentence = format!("{} answers with the status {}", shown(url), status.as_u16());
        let passes = status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429);
        return Err(if passes { Failure::Passing(sentence) } else { Failure::Refused(sentence) });
    }
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let content_type = header(CONTENT_TYPE);
    if header(CONTENT_ENCODING).is_some_and(|coding| !coding.eq_ignore_ascii_case("identity")) {
        return Err(Failure::Refused(
            "the address answers with packed content, which nobody asked for".to_owned(),
        ));
    }
    let too_large = || Failure::Refused(format!("the address answers with more than {limit} bytes"));
    if response.content_length().is_some_and(|length| length > limit as u64) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let broken = |_| Failure::Passing(format!("the answer of {} broke off", shown(url)));
    while let Some(piece) = response.chunk().await.map_err(broken)? {
        if bytes.len() + piece.len() > limit {
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    if bytes.is_empty() {
        return Err(Failure::Refused("the address answers with nothing".to_owned()));
    }
    let last = url.path_segments().and_then(|mut all| all.next_back()).filter(|last| !last.is_empty());
    Ok(Fetched { bytes: bytes.into(), content_type, file_name: last.map(str::to_owned) })
}

/// An address without what may be a secret.
fn shown(url: &Url) -> String {
    format!("{}://{}", url.scheme(), url.host_str().unwrap_or_default())
}
