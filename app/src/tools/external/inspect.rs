//! Looking at a server's tools, and pinning them.

use std::time::Duration;

use entity::core::mcp_server::Model;
use entity::ids::McpServerId;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};

use super::address::{allowed, require_on};
use super::client::Client;
use super::pin::{Pin, Standing, compared};
use super::servers::{find, pins};
use crate::db::CoreDb;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::tools::ToolError;

/// Longest look at a server's tools by an administrator.
const INSPECT_TIMEOUT: Duration = Duration::from_secs(10);

/// What a server says of its tools now, against what was approved.
#[derive(Clone, Debug)]
pub struct Inspected {
    /// Every tool it has, and every approved one that it has no more.
    pub tools: Vec<Pin>,
}

/// Asks a server for its tools and compares them with what was approved; one
/// that changed is not offered from then on. 502 `mcp_server_failed`.
pub async fn inspect(state: &AppState, id: McpServerId) -> Result<Inspected> {
    let server = find(&state.core, id).await?;
    let now = listed(state, &server).await?;
    let approved = compare(&state.core, &server, &now).await?;
    let mut tools: Vec<Pin> = now
        .into_iter()
        .map(|mut pin| {
            if let Some(known) = approved.iter().find(|known| known.name == pin.name) {
                pin.standing = if pin.standing == Standing::Unusable { pin.standing } else { known.standing };
            }
            pin
        })
        .collect();
    let is_gone = |pin: &&Pin| !tools.iter().any(|tool| tool.name == pin.name);
    let gone: Vec<Pin> = approved.iter().filter(is_gone).cloned().collect();
    tools.extend(gone);
    Ok(Inspected { tools })
}

/// Approves tools of a server by name and hash, and withdraws all others. 409
/// `tool_changed` if the server describes one of them otherwise by now.
pub async fn approve(state: &AppState, id: McpServerId, wanted: &[(String, String)]) -> Result<Model> {
    let server = find(&state.core, id).await?;
    let now = if wanted.is_empty() { Vec::new() } else { listed(state, &server).await? };
    let mut approved = Vec::with_capacity(wanted.len());
    for (name, hash) in wanted {
        let found = now
            .iter()
            .find(|pin| pin.name == *name && pin.hash == *hash && pin.standing != Standing::Unusable);
        let Some(found) = found else {
            let detail = format!("the server has no usable tool {name:?} with this hash: look at it again");
            return Err(Error::conflict("tool_changed", detail));
        };
        if !approved.iter().any(|pin: &Pin| pin.name == found.name) {
            approved.push(Pin { standing: Standing::Approved, ..found.clone() });
        }
    }
    store(&state.core, &server, &approved).await?;
    find(&state.core, id).await
}

/// Compares what was approved with what the server says, and keeps what came of it.
pub(super) async fn compare(core: &CoreDb, server: &Model, now: &[Pin]) -> Result<Vec<Pin>> {
    let before = pins(server);
    let after = compared(&before, now);
    if after != before {
        tracing::warn!(server = server.name, "an external MCP server describes approved tools otherwise");
        match store(core, server, &after).await {
            // Somebody else has seen it at the same time, or is looking at it.
            Ok(()) | Err(Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(after)
}

/// Keeps pins, unless somebody else has changed them meanwhile: 409 `server_changed`.
async fn store(core: &CoreDb, server: &Model, pins: &[Pin]) -> Result<()> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "UPDATE mcp_servers SET tools = $2, updated_at = now() WHERE id = $1 AND tools = $3",
        [server.id.0.into(), json!(pins).into(), server.tools.clone().into()],
    );
    let stored = core.execute_raw(statement).await?.rows_affected();
    if stored == 0 {
        return Err(Error::conflict("server_changed", "somebody else changes this server; look at it again"));
    }
    Ok(())
}

async fn listed(state: &AppState, server: &Model) -> Result<Vec<Pin>> {
    require_on(&state.settings.tools)?;
    let url = allowed(&state.settings.tools, &server.url)
        .map_err(|why| Error::conflict("host_not_allowed", why))?;
    let key = server.authorization_header.as_ref().map(|header| header.0.as_str());
    let asking = async {
        let mut client = Client::open(url, key).await?;
        let tools = client.tools().await;
        client.close().await;
        tools
    };
    let tools: Result<Vec<Value>, ToolError> = tokio::time::timeout(INSPECT_TIMEOUT, asking)
        .await
        .unwrap_or_else(|_| Err(ToolError::new("timeout", "the external server does not answer in time")));
    let tools =
        tools.map_err(|error| Error::Upstream { code: "mcp_server_failed", detail: error.message })?;
    Ok(tools.iter().filter_map(Pin::of).collect())
}
