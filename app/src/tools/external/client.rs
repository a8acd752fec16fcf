//! As much of an MCP client as a call takes: open, list, call, close.
//!
//! Streamable HTTP by bounded requests. The SDK's client reads bodies without
//! a limit, keeps streams open and answers requests of the server; a server
//! that is not trusted gets none of that. Redirects are never followed, what is read is
//! bounded, and whoever calls bounds the time.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::{Response, redirect};
use serde_json::{Value, json};
use url::Url;

use crate::tools::ToolError;

/// Bytes of one answer that are read.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// Pages of a list of tools, and tools in all of them.
const PAGES_MAX: usize = 10;
const TOOLS_MAX: usize = 200;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const PROTOCOL: &str = "2025-06-18";
const SESSION: &str = "mcp-session-id";
const VERSION: &str = "mcp-protocol-version";

/// An open connection to a server.
pub(super) struct Client {
    http: reqwest::Client,
    url: Url,
    authorization: Option<HeaderValue>,
    session: Option<HeaderValue>,
    protocol: Option<HeaderValue>,
    next_id: u64,
}

impl Client {
    /// Opens it, with the value of `Authorization` if there is one.
    pub(super) async fn open(url: Url, authorization: Option<&str>) -> Result<Self, ToolError> {
        let authorization = authorization.map(|value| {
            let mut value =
                HeaderValue::from_str(value).map_err(|_| unavailable("its credentials cannot be sent"))?;
            value.set_sensitive(true);
            Ok::<_, ToolError>(value)
        });
        let is_loopback = matches!(url.host_str(), Some("127.0.0.1" | "localhost" | "[::1]"));
        let mut builder = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            // A redirect could lead anywhere, with what was asked.
            .redirect(redirect::Policy::none())
            .user_agent(concat!("tandem/", env!("CARGO_PKG_VERSION")));
        if is_loopback {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| failed(&error))?;
        let authorization = authorization.transpose()?;
        let mut client = Self { http, url, authorization, session: None, protocol: None, next_id: 1 };
        let hello = json!({
            "protocolVersion": PROTOCOL,
            "capabilities": {},
            "clientInfo": { "name": "tandem", "version": env!("CARGO_PKG_VERSION") },
        });
        let told = client.request("initialize", hello).await?;
        let protocol = told["protocolVersion"].as_str().unwrap_or(PROTOCOL);
        client.protocol = HeaderValue::from_str(protocol).ok();
        client.send(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" })).await?;
        Ok(client)
    }

    /// The server's tools, as it lists them.
    pub(super) async fn tools(&mut self) -> Result<Vec<Value>, ToolError> {
        let mut tools = Vec::new();
        let mut cursor = Value::Null;
        for _ in 0..PAGES_MAX {
            let asked = if cursor.is_null() { json!({}) } else { json!({ "cursor": cursor }) };
            let mut page = self.request("tools/list", asked).await?;
            if let Some(more) = page["tools"].as_array_mut() {
                tools.append(more);
            }
            if tools.len() > TOOLS_MAX {
                return Err(unavailable("it has too many tools"));
            }
            cursor = page["nextCursor"].take();
            if cursor.is_null() {
                return Ok(tools);
            }
        }
        Err(unavailable("its list of tools has too many pages"))
    }

    /// Calls a tool; its result as the server gives it.
    pub(super) async fn call(&mut self, name: &str, arguments: Value) -> Result<Value, ToolError> {
        self.request("tools/call", json!({ "name": name, "arguments": arguments })).await
    }

    /// Gives the session back, if the server keeps one.
    pub(super) async fn close(self) {
        let Some(session) = &self.session else { return };
        let request = self.http.delete(self.url.clone()).header(SESSION, session);
        if let Err(error) = self.allowed(request).send().await {
            tracing::debug!(
                is_timeout = error.is_timeout(),
                "an external MCP server's session was not ended"
            );
        }
    }

    async fn request(&mut self, method: &'static str, params: Value) -> Result<Value, ToolError> {
        let id = self.next_id;
        self.next_id += 1;
        let message = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        let response = self.send(&message).await?;
        if method == "initialize" {
            self.session = response.headers().get(SESSION).cloned();
        }
        let mut answer = read(response, id).await?;
        if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
            let words: String = error["message"].as_str().unwrap_or_default().chars().take(200).collect();
            return Err(ToolError::new("failed", format!("the external server refused: {words}")));
        }
        Ok(answer["result"].take())
    }

    async fn send(&self, message: &Value) -> Result<Response, ToolError> {
        let mut request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .body(message.to_string());
        for (name, value) in [(SESSION, &self.session), (VERSION, &self.protocol)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        let response = self.allowed(request).send().await.map_err(|error| failed(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        Err(unavailable(&format!("it answered {}", response.status().as_u16())))
    }

    fn allowed(&self, request: reqwest::RequestBuilder) -> reqwest::RequestBuilder {
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }
}

/// The answer to the request with this id, out of a JSON body or a stream of events.
async fn read(mut response: Response, id: u64) -> Result<Value, ToolError> {
    let kind = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let is_stream = kind.starts_with("text/event-stream");
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|error| failed(&error))? {
        if body.len() + bytes.len() > ANSWER_BYTES_MAX {
            return Err(unavailable("its answer is too long"));
        }
        body.extend_from_slice(&bytes);
        // A stream need not end once the answer is there.
        if is_stream && let Some(answer) = in_events(&body, id) {
            return Ok(answer);
        }
    }
    let whole = serde_json::from_slice::<Value>(&body).ok().filter(|answer| answers(answer, id));
    whole.ok_or_else(|| unavailable("its answer cannot be read"))
}

/// The answer in the whole events so far.
fn in_events(body: &[u8], id: u64) -> Option<Value> {
    let text = String::from_utf8_lossy(body).replace("\r\n", "\n");
    let whole = &text[..text.rfind("\n\n")?];
    whole.split("\n\n").find_map(|event| {
        let data: Vec<&str> = event
            .lines()
            .filter_map(|line| line.strip_prefix("data:"))
            .map(|data| data.strip_prefix(' ').unwrap_or(data))
            .collect();
        serde_json::from_str(&data.join("\n")).ok().filter(|answer| answers(answer, id))
    })
}

fn answers(message: &Value, id: u64) -> bool {
    message["id"] == json!(id) && message.get("method").is_none()
}

/// What the log may have of it: the address and the error hold what is nobody's business.
fn failed(error: &reqwest::Error) -> ToolError {
    tracing::info!(
        is_timeout = error.is_timeout(),
        is_connect = error.is_connect(),
        "an external MCP server cannot be reached"
    );
    unavailable("it cannot be reached")
}

fn unavailable(why: &str) -> ToolError {
    ToolError::new("unavailable", format!("the external server is of no use now: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_found_among_events_once_it_is_whole() {
        let note = "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n";
        let other = "data: {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}\r\n\r\n";
        let ask = "data: {\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"sampling/createMessage\"}\n\n";
        let answer = "id: 7\ndata: {\"jsonrpc\":\"2.0\",\ndata: \"id\":2,\"result\":{\"a\":1}}\n";
        let begun = format!("{note}{other}{ask}{answer}");
        assert_eq!(in_events(begun.as_bytes(), 2), None);
        assert_eq!(in_events(format!("{begun}\n").as_bytes(), 2).unwrap()["result"]["a"], 1);
    }
}
