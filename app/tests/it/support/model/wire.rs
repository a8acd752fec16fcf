//! The bytes of scripted answers.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::stream;
use serde_json::{Value, json};

use super::script::{End, Script};

pub(super) type Event = Result<Bytes, std::io::Error>;

pub(super) fn events(script: &Script, asked: bool) -> Vec<(Duration, Event)> {
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
    for calls in &script.calls {
        events.push((Duration::ZERO, event(chunk(json!({"tool_calls": calls}), Value::Null))));
    }
    let usual = if script.calls.is_empty() { "stop" } else { "tool_calls" };
    let reason = script.finish.unwrap_or(usual);
    let mut last = |data: String| events.push((Duration::ZERO, event(data)));
    match script.end {
        End::Complete | End::WithoutMark => {
            last(chunk(json!({}), json!(reason)));
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
        End::Usage(usage) => {
            last(chunk(json!({}), json!("stop")));
            last(format!("{{\"choices\": [], \"usage\": {usage}}}"));
            last("[DONE]".to_owned());
        }
        End::Hang | End::Endless => {}
    }
    events
}

pub(super) fn whole(script: &Script) -> Value {
    json!({
        "id": "c",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": script.chunks.concat()}, "finish_reason": "stop"}],
        "usage": script.usage.map(|(prompt, completion)| json!({"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion})),
    })
}

pub(super) fn refusal(script: &Script, body: &Value) -> Option<Response> {
    if let Some(field) = script.refuses.filter(|field| !body[field].is_null()) {
        let error = json!({"error": {"message": format!("unknown field {field}")}});
        return Some((StatusCode::BAD_REQUEST, Json(error)).into_response());
    }
    let text = script.body.clone()?;
    let mut response =
        Response::builder().status(script.status).header(header::CONTENT_TYPE, script.content_type);
    if let Some(seconds) = script.retry_after_s {
        response = response.header(header::RETRY_AFTER, seconds);
    }
    if (300..400).contains(&script.status) {
        response = response.header(header::LOCATION, "/v1/elsewhere");
    }
    let body = stream::iter([Ok::<_, Infallible>(Bytes::from(text))]);
    Some(response.body(Body::from_stream(body)).unwrap())
}
