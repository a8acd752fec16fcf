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

use std::collections::VecDeque;
use std::convert::Infallible;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

/// What the server does with one request.
#[derive(Clone, Debug)]
pub struct Script {
    status: u16,
    retry_after_s: Option<u64>,
    body: Option<String>,
    chunks: Vec<String>,
    before: Duration,
    between: Duration,
    usage: Option<(u32, u32)>,
    end: End,
    refuses: Option<&'static str>,
    dimensions: Option<usize>,
}

/// How a streamed answer ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A finish reason, the usage if any, `[DONE]`.
    Complete,
    /// A finish reason, and then the connection is closed without `[DONE]`.
    WithoutMark,
    /// `[DONE]` without a finish reason.
    WithoutReason,
    /// The connection is closed in the middle.
    Cut,
    /// An event that is not JSON.
    Garbage,
    /// An error object inside the stream.
    Error,
    /// Nothing more, and the connection stays open.
    Hang,
}

impl Script {
    /// Streams these chunks (or, when no stream is asked for, their sum).
    pub fn reply<S: Into<String>>(chunks: impl IntoIterator<Item = S>) -> Self {
        Self {
            status: 200,
            retry_after_s: None,
            body: None,
            chunks: chunks.into_iter().map(Into::into).collect(),
            before: Duration::ZERO,
            between: Duration::ZERO,
            usage: None,
            end: End::Complete,
            refuses: None,
            dimensions: None,
        }
    }

    /// Refuses with a status and an OpenAI error object.
    pub fn status(status: u16) -> Self {
        let error = json!({"error": {"message": format!("scripted {status}"), "type": "scripted"}});
        Self::raw(status, error.to_string())
    }

    /// Answers with this body.
    pub fn raw(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: Some(body.into()), ..Self::reply([""; 0]) }
    }

    /// Takes the request and never answers.
    pub fn hang() -> Self {
        Self::reply([""; 0]).first_after(Duration::from_secs(3600))
    }

    /// Sends Retry-After.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after_s: Some(seconds), ..self }
    }

    /// Waits before it answers at all.
    pub fn first_after(self, before: Duration) -> Self {
        Self { before, ..self }
    }

    /// Waits before each chunk but the first.
    pub fn every(self, between: Duration) -> Self {
        Self { between, ..self }
    }

    /// Sends a usage count (prompt, completion), if the request asks for one.
    pub fn usage(self, prompt: u32, completion: u32) -> Self {
        Self { usage: Some((prompt, completion)), ..self }
    }

    /// Ends otherwise than complete.
    pub fn end(self, end: End) -> Self {
        Self { end, ..self }
    }

    /// Answers 400 to a body with this field, and as scripted to any other.
    pub fn refuses(self, field: &'static str) -> Self {
        Self { refuses: Some(field), ..self }
    }

    /// Makes vectors of this length, whatever is asked for.
    pub fn dimensions(self, dimensions: usize) -> Self {
        Self { dimensions: Some(dimensions), ..self }
    }
}

/// A request as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Path, for example `/v1/embeddings`.
    pub path: &'static str,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; null when it was no JSON.
    pub body: Value,
}

impl Recorded {
    /// The messages of a chat request as (role, content).
    pub fn messages(&self) -> Vec<(String, String)> {
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
pub struct ModelServer {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
    task: tokio::task::JoinHandle<()>,
}

impl ModelServer {
    /// Starts it. By default it says `Scripted answer [1].` and embeds.
    pub async fn start() -> Self {
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
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, shared, task }
    }

    /// The base URL, with `/v1`.
    pub fn url(&self) -> url::Url {
        format!("http://{}/v1", self.address).parse().unwrap()
    }

    /// What the next chat request gets.
    pub fn push(&self, script: Script) {
        lock(&self.shared).chat.push_back(script);
    }

    /// What the next embedding request gets.
    pub fn push_embeddings(&self, script: Script) {
        lock(&self.shared).embeddings.push_back(script);
    }

    /// What chat requests get when nothing was pushed.
    pub fn always(&self, script: Script) {
        lock(&self.shared).chat_default = script;
    }

    /// What embedding requests get when nothing was pushed.
    pub fn always_embeddings(&self, script: Script) {
        lock(&self.shared).embeddings_default = script;
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Recorded> {
        lock(&self.shared).requests.clone()
    }

    /// The most embedding requests that were under way at once.
    pub fn most_at_once(&self) -> usize {
        lock(&self.shared).most_at_once
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        self.task.abort();
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
    let body = Body::from_stream(events.chain(hang));
    ([(header::CONTENT_TYPE, "text/event-stream")], body).into_response()
}

type Event = Result<Bytes, std::io::Error>;

fn events(script: &Script, asked: bool) -> Vec<(Duration, Event)> {
    let event = |data: String| Ok(Bytes::from(format!("data: {data}\n\n")));
    let chunk = |delta: Value, reason: Value| {
        json!({"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).to_string()
    };
    let mut events: Vec<(Duration, Event)> = Vec::new();
    // As most servers do: first an event that only names the role, with a comment before it.
    if !script.chunks.is_empty() {
        events.push((Duration::ZERO, Ok(Bytes::from_static(b": comment\n\n"))));
        events.push((Duration::ZERO, event(chunk(json!({"role": "assistant", "content": ""}), Value::Null))));
    }
    for (index, text) in script.chunks.iter().enumerate() {
        let wait = if index == 0 { Duration::ZERO } else { script.between };
        events.push((wait, event(chunk(json!({"content": text}), Value::Null))));
    }
    let mut last = |data: String| events.push((Duration::ZERO, event(data)));
    match script.end {
        End::Complete | End::WithoutMark => {
            last(chunk(json!({}), json!("stop")));
            if let Some((prompt, completion)) = script.usage.filter(|_| asked) {
                let usage = json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion});
                last(json!({"choices": [], "usage": usage}).to_string());
            }
            if script.end == End::Complete {
                last("[DONE]".to_owned());
            }
        }
        End::WithoutReason => last("[DONE]".to_owned()),
        End::Garbage => last("<html>not json".to_owned()),
        End::Error => last(json!({"error": {"message": "scripted failure", "code": 503}}).to_string()),
        End::Cut => events.push((Duration::ZERO, Err(std::io::Error::other("cut")))),
        End::Hang => {}
    }
    events
}

fn whole(script: &Script) -> Value {
    json!({
        "id": "c",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": script.chunks.concat()}, "finish_reason": "stop"}],
        "usage": script.usage.map(|(prompt, completion)| json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})),
    })
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
    let mut data: Vec<Value> = vectors.enumerate().map(|(index, vector)| json!({"object": "embedding", "index": index, "embedding": vector})).collect();
    data.reverse();
    Json(json!({"object": "list", "data": data, "model": body["model"], "usage": {"prompt_tokens": inputs.len(), "total_tokens": inputs.len()}})).into_response()
}

/// A vector in which each word counts up one of `dimensions` places, so texts
/// with common words are similar; not of unit length.
pub fn bag_of_words(text: &str, dimensions: usize) -> Vec<f32> {
    let mut vector = vec![0.0; dimensions];
    for word in text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty()) {
        let mut hasher = DefaultHasher::new();
        word.to_lowercase().hash(&mut hasher);
        let place = usize::try_from(hasher.finish() % dimensions as u64).unwrap();
        vector[place] += 1.0;
    }
    vector
}

fn refusal(script: &Script, body: &Value) -> Option<Response> {
    if let Some(field) = script.refuses.filter(|field| !body[field].is_null()) {
        let error = json!({"error": {"message": format!("unknown field {field}")}});
        return Some((StatusCode::BAD_REQUEST, Json(error)).into_response());
    }
    let text = script.body.clone()?;
    let mut response = Response::builder().status(script.status).header(header::CONTENT_TYPE, "application/json");
    if let Some(seconds) = script.retry_after_s {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    if (300..400).contains(&script.status) {
        response = response.header(header::LOCATION, "/v1/elsewhere");
    }
    let body = stream::iter([Ok::<_, Infallible>(Bytes::from(text))]);
    Some(response.body(Body::from_stream(body)).unwrap())
}
