//! A scripted model server for `make bench`: speaks the part of the OpenAI
//! wire format that is needed, with a known time to the first token and a known
//! rate. How it answers which questions is told beforehand, so that these are like any
//! others: POST `/scripts` with `delay=200 tokens=60 gap=50` (milliseconds) in the first
//! line and a question in each other. What nobody told of gets 20 tokens at once.
//!
//! `provider [PORT]`: prints its address, serves on loopback until it is ended.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io::Write;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::serve::ListenerExt;
use serde::Deserialize;
use tokio::net::TcpListener;
use tokio::time::Instant;

/// The last word of every answer, so that a reader can tell a whole one.
const LAST: &str = " finis";

/// Longest answer, whatever is asked for.
const TOKENS_MAX: u32 = 10_000;

/// Questions that are kept at most.
const QUESTIONS_MAX: usize = 10_000;

/// What was told, by question.
type Scripts = Arc<Mutex<HashMap<String, Script>>>;

#[derive(Clone, Copy)]
struct Script {
    delay: Duration,
    tokens: u32,
    gap: Duration,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let port: u16 = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    let mut out = std::io::stdout();
    writeln!(out, "http://{}", listener.local_addr()?)?;
    out.flush()?;
    let app = Router::new()
        .route("/v1/chat/completions", post(complete))
        .route("/scripts", post(learn))
        .with_state(Scripts::default());
    // What does not wait must not wait for its client either.
    let connections = listener.tap_io(|connection| drop(connection.set_nodelay(true)));
    axum::serve(connections, app).await?;
    Ok(())
}

async fn learn(State(scripts): State<Scripts>, told: String) {
    let mut lines = told.lines();
    let script = Script::of(lines.next().unwrap_or_default());
    let mut scripts = scripts.lock().unwrap_or_else(PoisonError::into_inner);
    for question in lines.take(QUESTIONS_MAX.saturating_sub(scripts.len())) {
        scripts.insert(question.trim().to_owned(), script);
    }
}

async fn complete(State(scripts): State<Scripts>, body: Bytes) -> Response {
    let received = Instant::now();
    let script = told(&scripts, &body);
    let frames = futures::stream::unfold(0_u32, move |sent| async move {
        if sent > script.tokens {
            return None;
        }
        let due = received + script.delay + script.gap * sent;
        if due > Instant::now() {
            tokio::time::sleep_until(due).await;
        }
        Some((Ok::<_, Infallible>(frame(sent, script.tokens)), sent + 1))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(frames)).into_response()
}

/// Token number `index` of `tokens`, or what ends the stream.
fn frame(index: u32, tokens: u32) -> Bytes {
    if index == tokens {
        let usage = format!(
            r#"{{"id":"c","object":"chat.completion.chunk","choices":[],"usage":{{"prompt_tokens":100,"completion_tokens":{tokens},"total_tokens":{}}}}}"#,
            tokens + 100
        );
        return Bytes::from(format!(
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"choices\":[{{\"index\":0,\"delta\":{{}},\"finish_reason\":\"stop\"}}]}}\n\ndata: {usage}\n\ndata: [DONE]\n\n"
        ));
    }
    let word = if index + 1 == tokens { LAST.to_owned() } else { format!(" word{}", index % 100) };
    Bytes::from(format!(
        "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"model\":\"scripted\",\"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"{word}\"}},\"finish_reason\":null}}]}}\n\n"
    ))
}

#[derive(Deserialize)]
struct Asked {
    messages: Vec<Message>,
}

#[derive(Deserialize)]
struct Message {
    #[serde(default)]
    content: serde_json::Value,
}

/// How to answer the question that the last message ends with.
fn told(scripts: &Scripts, body: &[u8]) -> Script {
    let asked: Option<Asked> = serde_json::from_slice(body).ok();
    let last = asked.as_ref().and_then(|asked| asked.messages.last()?.content.as_str());
    let question = last.and_then(|text| text.lines().last()).unwrap_or_default();
    let scripts = scripts.lock().unwrap_or_else(PoisonError::into_inner);
    scripts.get(question.trim()).copied().unwrap_or_else(|| Script::of(""))
}

impl Script {
    fn of(told: &str) -> Self {
        let mut script = Self { delay: Duration::ZERO, tokens: 20, gap: Duration::ZERO };
        for (name, value) in told.split_whitespace().filter_map(|pair| pair.split_once('=')) {
            let Ok(value) = value.parse::<u32>() else { continue };
            match name {
                "delay" => script.delay = Duration::from_millis(value.into()),
                "tokens" => script.tokens = value.clamp(1, TOKENS_MAX),
                "gap" => script.gap = Duration::from_millis(value.into()),
                _ => {}
            }
        }
        script
    }
}
