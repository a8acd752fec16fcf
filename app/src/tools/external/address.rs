//! Where external servers may be: on hosts that the operator names.
//!
//! Such a host may be a private address. It is compared each time it is asked,
//! because the operator's list may have changed since the server was added.

use entity::core::mcp_server::Model;
use url::Url;

use crate::config::Tools;
use crate::error::{Error, Result};
use crate::tools::ToolError;

/// Where a server is, if it may be asked.
pub(super) fn usable_url(settings: &Tools, server: &Model) -> Result<Url, ToolError> {
    let refused =
        |why: &str| ToolError::new("unavailable", format!("the external server is not to be used: {why}"));
    if !settings.external_mcp || !server.is_enabled {
        return Err(refused("it is turned off"));
    }
    allowed(settings, &server.url).map_err(|why| refused(&why))
}

/// Refuses what needs external servers while they are off: 409 `external_mcp_off`.
pub(super) fn require_on(settings: &Tools) -> Result<()> {
    if settings.external_mcp {
        return Ok(());
    }
    Err(Error::conflict("external_mcp_off", "external MCP servers are turned off: see tools.external_mcp"))
}

/// The address, if the operator allows its host; otherwise why not.
pub(super) fn allowed(settings: &Tools, given: &str) -> Result<Url, String> {
    let url = Url::parse(given).map_err(|_| "must be an http or https address".to_owned())?;
    if !["http", "https"].contains(&url.scheme()) {
        return Err("must be an http or https address".to_owned());
    }
    if !url.username().is_empty()
        || url.password().is_some()
        || url.query().is_some()
        || url.fragment().is_some()
    {
        return Err(
            "must hold no user, password, query or fragment: secrets belong into `authorization`".to_owned()
        );
    }
    let host = url.host_str().unwrap_or_default();
    let with_port = url.port_or_known_default().map(|port| format!("{host}:{port}")).unwrap_or_default();
    let is_listed = settings
        .external_mcp_hosts
        .iter()
        .any(|allowed| allowed.eq_ignore_ascii_case(host) || allowed.eq_ignore_ascii_case(&with_port));
    if is_listed { Ok(url) } else { Err("must be on a host that tools.external_mcp_hosts names".to_owned()) }
}
