//! One call of an external tool, and what comes of it.

use serde_json::{Value, json};

use super::client::Client;
use super::pin::{Pin, Standing};
use super::{ExternalTool, address, inspect, servers};
use crate::state::AppState;
use crate::tools::ToolError;
use crate::tools::report::Found;

/// Blocks of a result that are read.
const BLOCKS_MAX: usize = 50;

/// Calls the tool, if the server still describes it as it was approved.
pub(in crate::tools) async fn run(
    state: &AppState,
    tool: &ExternalTool,
    arguments: Value,
) -> Result<Found, ToolError> {
    if !arguments.is_object() {
        return Err(ToolError::new("bad_arguments", "the arguments are no object"));
    }
    // As it is now: it may have been withdrawn since the turn began.
    let server = servers::find(&state.core, tool.server_id).await?;
    let url = address::usable_url(&state.settings.tools, &server)?;
    let approved = servers::pins(&server);
    let is_offered = |pin: &Pin| pin.name == tool.name && pin.standing == Standing::Approved;
    if !approved.iter().any(is_offered) {
        return Err(changed());
    }
    let key = server.authorization_header.as_ref().map(|header| header.0.as_str());
    let mut client = Client::open(url, key).await?;
    let now: Vec<Pin> = client.tools().await?.iter().filter_map(Pin::of).collect();
    let compared = inspect::compare(&state.core, &server, &now).await?;
    if !compared.iter().any(is_offered) {
        client.close().await;
        return Err(changed());
    }
    let result = client.call(&tool.name, arguments.clone()).await;
    client.close().await;
    found(&result?, arguments)
}

fn changed() -> ToolError {
    ToolError::new(
        "changed",
        "the tool is not what was approved any more: an administrator has to look at it",
    )
}

/// The words of a result. What is no text is named and left out.
fn found(result: &Value, arguments: Value) -> Result<Found, ToolError> {
    let blocks = result["content"].as_array().map_or(&[][..], Vec::as_slice);
    let items: Vec<Value> = blocks
        .iter()
        .take(BLOCKS_MAX)
        .map(|block| match block["text"].as_str() {
            Some(text) => json!({ "text": text }),
            None => json!({ "left_out": block["type"].as_str().unwrap_or("unknown").chars().take(50).collect::<String>() }),
        })
        .collect();
    if result["isError"] == json!(true) {
        let words: String = items.iter().filter_map(|item| item["text"].as_str()).collect();
        return Err(ToolError::new("tool_error", words));
    }
    let mut data = json!({ "items": items });
    if let Some(structured) = result.get("structuredContent").filter(|value| value.is_object()) {
        data["structured"] = structured.clone();
    }
    // The words of a foreign server are not kept with the answer.
    Ok(Found { data, applied: arguments, ..Found::default() })
}
