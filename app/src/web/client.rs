//! Where a request comes from.
//!
//! The peer of the connection is believed. What a header says about the client
//! behind it is believed only from peers in `TRUSTED_PROXIES`, and only as far
//! as each hop is one of them: the client is the rightmost address that is not.

use std::net::{IpAddr, SocketAddr};
use std::sync::Once;

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName};

use crate::config::Network;
use crate::error::Error;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
/// More hops than that nobody has; the rest of the header is not read.
const HOPS_MAX: usize = 32;

/// Who sent a request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// The other end of the connection; none when there is none, in a test.
    pub peer: Option<IpAddr>,
    /// The client: the peer, or whom trusted proxies name.
    pub address: Option<IpAddr>,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or_default())
    }
}

/// Finds out who sent a request, for the extractor [`Client`].
pub fn identify(proxies: &[Network], request: &mut Request) {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map(|ConnectInfo(address)| address.ip().to_canonical());
    let address = peer.map(|peer| client_behind(peer, request.headers(), proxies));
    request.extensions_mut().insert(Client { peer, address });
}

fn client_behind(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let trusted = |address: IpAddr| proxies.iter().any(|network| network.contains(address));
    let mut client = peer;
    if !trusted(client) {
        if headers.contains_key(FORWARDED_FOR) {
            mention(peer);
        }
        return client;
    }
    let values: Vec<&str> =
        headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok()).collect();
    // From the last hop to the first; several headers are one list.
    let hops = values.iter().rev().flat_map(|value| value.rsplit(','));
    for hop in hops.take(HOPS_MAX) {
        // What is no address says nothing about whoever came before it.
        let Some(address) = address_of(hop.trim()) else { break };
        client = address;
        if !trusted(address) {
            break;
        }
    }
    client
}

/// Some proxies add the port.
fn address_of(hop: &str) -> Option<IpAddr> {
    hop.parse::<IpAddr>()
        .or_else(|_| hop.parse::<SocketAddr>().map(|address| address.ip()))
        .ok()
        .map(|address| address.to_canonical())
}

/// Once a process: behind an unnamed proxy all clients look like one.
fn mention(peer: IpAddr) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing::warn!(%peer, "X-Forwarded-For is not believed; if that is your proxy, add it to TRUSTED_PROXIES");
    });
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn client(peer: &str, forwarded: &[&str], proxies: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        let proxies: Vec<Network> =
            proxies.iter().map(|text| Network::try_from((*text).to_owned()).unwrap()).collect();
        client_behind(peer.parse().unwrap(), &headers, &proxies).to_string()
    }

    #[test]
    fn the_client_is_the_rightmost_address_that_is_no_trusted_proxy() {
        let proxies = ["10.0.0.0/8", "::1"];
        // Nobody is believed who is not trusted.
        assert_eq!(client("203.0.113.9", &["198.51.100.1"], &[]), "203.0.113.9");
        assert_eq!(client("203.0.113.9", &["198.51.100.1"], &proxies), "203.0.113.9");
        // A trusted peer names the client; what the client claims before it is not believed.
        assert_eq!(client("10.0.0.1", &["198.51.100.1"], &proxies), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["127.0.0.1, 198.51.100.1"], &proxies), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["8.8.8.8, 198.51.100.1, 10.0.0.2"], &proxies), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &["8.8.8.8", "198.51.100.1"], &proxies), "198.51.100.1");
        // Ports, brackets, IPv4 in IPv6, nothing, nonsense.
        assert_eq!(client("10.0.0.1", &["198.51.100.1:4711"], &proxies), "198.51.100.1");
        assert_eq!(client("::1", &["[2001:db8::7]:443"], &proxies), "2001:db8::7");
        assert_eq!(client("10.0.0.1", &["::ffff:198.51.100.1"], &proxies), "198.51.100.1");
        assert_eq!(client("10.0.0.1", &[], &proxies), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["198.51.100.1, unknown"], &proxies), "10.0.0.1");
        assert_eq!(client("10.0.0.1", &["10.0.0.3, 10.0.0.2"], &proxies), "10.0.0.3");
    }
}
