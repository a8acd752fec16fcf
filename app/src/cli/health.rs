//! `tandem health`: asks a server on this machine whether it is ready. For a
//! container's health check, whose image has no other client.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::output;
use crate::config::Settings;
use crate::error::{Context, Error, Result};

/// Longer than the server looks at its databases for.
const ANSWER_MAX: Duration = Duration::from_secs(5);

pub(super) async fn run(settings: Settings) -> Result<()> {
    let url = format!("http://{}/health/ready", address(&settings));
    let client = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy().build();
    let answer = client.context("making an HTTP client")?.get(&url).send().await;
    let status = match answer {
        Ok(answer) => answer.status(),
        Err(error) => {
            return Err(Error::startup(
                format!(
                    "{url} does not answer: {}",
                    if error.is_timeout() { "timed out" } else { "nobody listens there" }
                ),
                "start `tandem serve`, or set HOST and PORT to those of the server",
            ));
        }
    };
    if status.is_success() {
        return output::line("ready");
    }
    Err(Error::startup(format!("{url} answers {status}"), "see the server's log, and `tandem doctor`"))
}

/// A server that listens everywhere is asked on loopback.
fn address(settings: &Settings) -> SocketAddr {
    let host = match settings.http.host {
        IpAddr::V4(host) if host.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(host) if host.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        host => host,
    };
    SocketAddr::new(host, settings.http.port)
}
