//! The pages in browsers that may call.

use axum::http::HeaderValue;

use crate::config::Settings;

/// Whether a page of this origin may call: the configured origins, exactly;
/// where none is configured and Postgres is embedded, any page of this machine.
pub fn is_allowed(settings: &Settings, origin: &HeaderValue) -> bool {
    let configured = &settings.http.cors_origins;
    if configured.is_empty() && settings.is_embedded() {
        return is_of_this_machine(origin);
    }
    configured.iter().any(|allowed| allowed.as_bytes() == origin.as_bytes())
}

fn is_of_this_machine(origin: &HeaderValue) -> bool {
    let origin = origin.to_str().ok().and_then(|text| url::Url::parse(text).ok());
    match origin.as_ref().and_then(url::Url::host) {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}
