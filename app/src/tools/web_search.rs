//! `web_search`: a SearXNG-compatible search of the operator's choice.

use std::time::Duration;

use garde::Validate;
use reqwest::redirect;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::registry::Tool;
use super::report::Found;
use super::{Caller, ToolError};
use crate::config::Settings;
use crate::web::text;

/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
const RESULTS: usize = 5;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// Searches the web.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WebSearch {
    /// What to search for, in words.
    #[garde(length(chars, min = 1, max = 300), custom(text::not_blank))]
    #[schema(min_length = 1, max_length = 300)]
    query: String,
}

impl Tool for WebSearch {
    const NAME: &'static str = "web_search";
    const DESCRIPTION: &'static str = "Searches the public web. The user is asked first if documents, memories or results of tools are part of the turn.";
    const SCOPES: &'static [&'static str] = &["chat:write"];
    const REACHES_OUT: bool = true;

    fn is_offered(settings: &Settings) -> bool {
        settings.tools.web_search_url.is_some()
    }

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let Some(address) = &caller.state.settings.tools.web_search_url else {
            return Err(ToolError::new("unknown_tool", "there is no web search"));
        };
        let mut address = address.clone();
        address.query_pairs_mut().append_pair("q", &self.query).append_pair("format", "json");
        let answer = ask(address).await?;
        let cut = |value: &Value, limit| -> String {
            value.as_str().unwrap_or_default().chars().filter(|c| *c != '\0').take(limit).collect()
        };
        let results = answer["results"].as_array().map_or(&[][..], Vec::as_slice);
        let items: Vec<Value> = results
            .iter()
            .take(RESULTS)
            .map(|result| {
                json!({
                    "title": cut(&result["title"], 300),
                    "url": cut(&result["url"], 500),
                    "content": cut(&result["content"], 1000),
                })
            })
            .collect();
        let record: Vec<Value> = items.iter().map(|item| json!({ "url": item["url"] })).collect();
        Ok(Found {
            data: json!({ "items": items }),
            applied: json!({ "query": self.query, "limit": RESULTS }),
            record: json!({ "items": record }),
            ..Found::default()
        })
    }
}

async fn ask(address: url::Url) -> Result<Value, ToolError> {
    let is_loopback = matches!(address.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
    let mut builder = reqwest::Client::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        // A redirect could lead anywhere.
        .redirect(redirect::Policy::none())
        .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")));
    if is_loopback {
        builder = builder.no_proxy();
    }
    let client = builder.build().map_err(|error| unavailable(&error))?;
    let mut response = client.get(address).send().await.map_err(|error| unavailable(&error))?;
    if !response.status().is_success() {
        return Err(ToolError::new(
            "unavailable",
            format!("the search answered {}", response.status().as_u16()),
        ));
    }
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| unavailable(&error))? {
        if body.len() + bytes.len() > ANSWER_BYTES_MAX {
            return Err(ToolError::new("unavailable", "the search's answer is too long"));
        }
        body.extend_from_slice(&bytes);
    }
    serde_json::from_slice(&body)
        .map_err(|_| ToolError::new("unavailable", "the search's answer is not JSON"))
}

/// The address stays in the log: it may hold a password.
fn unavailable(error: &reqwest::Error) -> ToolError {
    tracing::warn!(is_timeout = error.is_timeout(), is_connect = error.is_connect(), "the web search failed");
    ToolError::new("unavailable", "the web search cannot be reached")
}
