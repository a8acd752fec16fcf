//! A scripted model server that speaks the OpenAI wire format.
//!
//! ```ignore
//! let server = ModelServer::start().await;
//! server.push(Script::status(429).retry_after(0));
//! server.push(Script::reply(["Hel", "lo"]).usage(3, 2));
//! // ... a client at server.url() ...
//! assert_eq!(server.requests().len(), 2);
//! ```
//!
//! Each request takes the next script of its route's queue; when the queue is
//! empty, the default answers. The server listens on a free loopback port and
//! stops when it is dropped.

mod script;
mod wire;

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};
use tokio::task::JoinSet;

pub(crate) use script::{End, Script};
use wire::{events, refusal, whole};

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Recorded {
    /// Path, for example `/v1/embeddings`.
    pub path: &'static str,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; null when it was no JSON.
    pub body: Value,
}

impl Recorded {
    /// The messages of a chat request as (role, content).
    pub(crate) fn messages(&self) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let messages = self.body["messages"].as_array().cloned().unwrap_or_default();
        messages.iter().map(|message| (text(&message["role"]), text(&message["content"]))).collect()
    }
}

struct Shared {
    chat: VecDeque<Script>,
    embeddings: VecDeque<Script>,
    chat_default: Script,
    embeddings_default: Script,
    requests: Vec<Recorded>,
    under_way: usize,
    most_at_once: usize,
}

/// The running server.
pub(crate) struct ModelServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    /// Aborted when it is dropped, and the server with it.
    _task: JoinSet<()>,
}

impl ModelServer {
    /// Starts it. By default it says `Scripted answer [1].` and embeds.
    pub(crate) async fn start() -> Self {
        let shared = Arc::new(Mutex::new(Shared {
            chat: VecDeque::new(),
            embeddings: VecDeque::new(),
            chat_default: Script::reply(["Scripted ", "answer [1]."]).usage(10, 5),
            embeddings_default: Script::reply([""; 0]),
            requests: Vec::new(),
            under_way: 0,
            most_at_once: 0,
        }));
        let router = Router::new()
            .route("/v1/chat/completions", post(chat))
            .route("/v1/embeddings", post(embeddings))
            .route("/v1/models", get(models))
            .with_state(shared.clone());
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, _task: task }
    }

    /// The base URL, with `/v1`.
    pub(crate) fn url(&self) -> url::Url {
        format!("http://{}/v1", self.address).parse().unwrap()
    }

    /// What the next chat request gets.
    pub(crate) fn push(&self, script: Script) {
        lock(&self.shared).chat.push_back(script);
    }

    /// What the next embedding request gets.
    pub(crate) fn push_embeddings(&self, script: Script) {
        lock(&self.shared).embeddings.push_back(script);
    }

    /// What chat requests get when nothing was pushed.
    pub(crate) fn always(&self, script: Script) {
        lock(&self.shared).chat_default = script;
    }

    /// What embedding requests get when nothing was pushed.
    pub(crate) fn always_embeddings(&self, script: Script) {
        lock(&self.shared).embeddings_default = script;
    }

    /// Every request so far.
    pub(crate) fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared).requests.clone()
    }

    /// The most embedding requests that were under way at once.
    pub(crate) fn most_at_once(&self) -> usize {
        lock(&self.shared).most_at_once
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap()
}

async fn models() -> Json<Value> {
    Json(json!({"object": "list", "data": [{"id": "scripted", "object": "model", "owned_by": "tests"}]}))
}

async fn chat(State(shared): State<Arc<Mutex<Shared>>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let script = {
        let mut shared = lock(&shared);
        shared.requests.push(Recorded { path: "/v1/chat/completions", headers, body: body.clone() });
        // A script that refuses a field waits for the request without it.
        match shared.chat.front() {
            Some(script) if script.refuses.is_some_and(|field| !body[field].is_null()) => script.clone(),
            _ => shared.chat.pop_front().unwrap_or_else(|| shared.chat_default.clone()),
        }
    };
    let script = if script.obeys { Script::obeyed(&body) } else { script.answering(&body) };
    tokio::time::sleep(script.before).await;
    if let Some(refusal) = refusal(&script, &body) {
        return refusal;
    }
    if body["stream"] != json!(true) {
        return Json(whole(&script)).into_response();
    }
    let asked = body["stream_options"]["include_usage"] == json!(true);
    let events = stream::iter(events(&script, asked)).then(|(wait, event)| async move {
        tokio::time::sleep(wait).await;
        event
    });
    let hang = stream::pending().take(usize::from(script.end == End::Hang));
    let wordless = stream::repeat_with(|| Ok(Bytes::from_static(b"data: {\"choices\": []}\n\n")))
        .then(|event| async move {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            event
        })
        .take(if script.end == End::Endless { usize::MAX } else { 0 });
    let body = Body::from_stream(events.chain(wordless).chain(hang));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

async fn embeddings(State(shared): State<Arc<Mutex<Shared>>>, headers: HeaderMap, bytes: Bytes) -> Response {
    let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let script = {
        let mut shared = lock(&shared);
        shared.requests.push(Recorded { path: "/v1/embeddings", headers, body: body.clone() });
        shared.under_way += 1;
        shared.most_at_once = shared.most_at_once.max(shared.under_way);
        match shared.embeddings.front() {
            Some(script) if script.refuses.is_some_and(|field| !body[field].is_null()) => script.clone(),
            _ => shared.embeddings.pop_front().unwrap_or_else(|| shared.embeddings_default.clone()),
        }
    };
    tokio::time::sleep(script.before).await;
    lock(&shared).under_way -= 1;
    if let Some(refusal) = refusal(&script, &body) {
        return refusal;
    }
    let asked = body["dimensions"].as_u64().and_then(|dimensions| usize::try_from(dimensions).ok());
    let dimensions = script.dimensions.or(asked).unwrap_or(1536);
    let inputs = match &body["input"] {
        Value::Array(inputs) => inputs.clone(),
        one => vec![one.clone()],
    };
    let vectors = inputs.iter().map(|input| bag_of_words(input.as_str().unwrap_or_default(), dimensions));
    // Backwards, with their indices: a client must not trust the order.
    let mut data: Vec<Value> = vectors
        .enumerate()
        .map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector}))
        .collect();
    data.reverse();
    Json(json!({"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": inputs.len(), "total_tokens": inputs.len()}})).into_response()
}

/// A vector in which each word counts up one of `dimensions` places, so texts
/// with common words are similar; not of unit length.
pub(crate) fn bag_of_words(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0; dimensions];
    for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut hasher = DefaultHasher::new();
        word.to_lowercase().hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % dimensions as u64).unwrap();
        vector[place] += 1.0;
    }
    vector
}
