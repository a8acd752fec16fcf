//! A scripted MCP server, such as an administrator adds.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use tokio::task::JoinSet;

/// How it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One JSON body.
    Json,
    /// A stream of events that stays open, with other messages before the answer.
    Stream,
    /// Sends elsewhere.
    Redirect(String),
    /// Never ends.
    Endless,
    /// Takes a long time.
    Slow,
    /// Is broken.
    Broken,
}

struct Shared {
    tools: Vec<Value>,
    result: Value,
    manner: Manner,
    requests: Vec<(HeaderMap, Value)>,
}

/// The running server; it stops when it is dropped.
pub(crate) struct McpServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    _task: JoinSet<()>,
}

/// A tool as a server describes it.
pub(crate) fn tool(name: &str, description: &str) -> Value {
    let schema =
        json!({ "type": "object", "properties": { "query": { "type": "string" } }, "required": ["query"] });
    json!({ "name": name, "description": description, "inputSchema": schema })
}

impl McpServer {
    /// Starts one with these tools, whose result is the text `External words.`
    pub(crate) async fn start(tools: Vec<Value>) -> Self {
        let result = json!({ "content": [{ "type": "text", "text": "External words." }] });
        let shared =
            Arc::new(Mutex::new(Shared { tools, result, manner: Manner::Json, requests: Vec::new() }));
        let router = Router::new()
            .route("/mcp", post(answer).delete(async || StatusCode::NO_CONTENT))
            .with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, _task: task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// `host:port`
    pub(crate) fn host(&self) -> String {
        self.address.to_string()
    }

    /// What it says of its tools from now on.
    pub(crate) fn describe(&self, tools: Vec<Value>) {
        self.shared.lock().unwrap().tools = tools;
    }

    /// What calls give from now on.
    pub(crate) fn give(&self, result: Value) {
        self.shared.lock().unwrap().result = result;
    }

    /// How it answers from now on.
    pub(crate) fn behave(&self, manner: Manner) {
        self.shared.lock().unwrap().manner = manner;
    }

    /// What it was sent.
    pub(crate) fn requests(&self) -> Vec<(HeaderMap, Value)> {
        self.shared.lock().unwrap().requests.clone()
    }

    /// The calls of its tools, as `params`.
    pub(crate) fn calls(&self) -> Vec<Value> {
        let called =
            |(_, body): (HeaderMap, Value)| (body["method"] == "tools/call").then(|| body["params"].clone());
        self.requests().into_iter().filter_map(called).collect()
    }
}

async fn answer(State(shared): State<Arc<Mutex<Shared>>>, headers: HeaderMap, body: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&body).unwrap();
    let (tools, result, manner) = {
        let mut shared = shared.lock().unwrap();
        shared.requests.push((headers, body.clone()));
        (shared.tools.clone(), shared.result.clone(), shared.manner.clone())
    };
    let result = match body["method"].as_str().unwrap_or_default() {
        "initialize" => json!({ "protocolVersion": "2025-06-18", "capabilities": { "tools": {} },
            "serverInfo": { "name": "scripted", "version": "1" } }),
        "tools/list" => json!({ "tools": tools }),
        "tools/call" => result,
        _ => return StatusCode::ACCEPTED.into_response(),
    };
    let answer = json!({ "jsonrpc": "2.0", "id": body["id"], "result": result }).to_string();
    let session = [("mcp-session-id", "session-1")];
    match manner {
        Manner::Json => (session, [(header::CONTENT_TYPE, "application/json")], answer).into_response(),
        Manner::Stream => {
            let note = json!({ "jsonrpc": "2.0", "method": "notifications/message", "params": {} });
            let ask = json!({ "jsonrpc": "2.0", "id": body["id"], "method": "sampling/createMessage" });
            let text =
                format!(": hello\n\ndata: {note}\n\ndata: {ask}\n\nevent: message\ndata: {answer}\n\n");
            let first = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
            let open = futures::StreamExt::chain(first, futures::stream::pending());
            let body = axum::body::Body::from_stream(open);
            (session, [(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
        }
        Manner::Redirect(to) => (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, to)]).into_response(),
        Manner::Endless => {
            let more =
                futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 65_536])));
            ([(header::CONTENT_TYPE, "application/json")], axum::body::Body::from_stream(more))
                .into_response()
        }
        Manner::Slow => {
            tokio::time::sleep(Duration::from_mins(10)).await;
            StatusCode::OK.into_response()
        }
        Manner::Broken => (StatusCode::INTERNAL_SERVER_ERROR, "secret details").into_response(),
    }
}
