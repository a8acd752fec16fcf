//! What came back.

use axum::body::{BodyDataStream, to_bytes};
use axum::http::HeaderMap;
use axum::response::Response;
use futures::StreamExt;
use serde_json::Value;

/// A whole response.
#[derive(Debug)]
pub(crate) struct TestResponse {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// One server-sent event.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SseEvent {
    pub(crate) id: i64,
    pub(crate) event: String,
    pub(crate) data: Value,
}

impl TestResponse {
    pub(crate) async fn read(response: Response) -> Self {
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 64 << 20).await.unwrap();
        Self {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(bytes.to_vec()).unwrap(),
        }
    }

    /// The JSON body, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        if self.body.is_empty() {
            return Value::Null;
        }
        serde_json::from_str(&self.body).unwrap_or(Value::String(self.body))
    }

    /// A problem body with this status and code.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Value {
        let media_type = self.headers.get("content-type").cloned();
        let body = self.expect(status);
        assert_eq!(media_type.unwrap(), "application/problem+json");
        assert_eq!(body["code"], code, "{body}");
        assert_eq!(body["status"], status);
        assert!(!body["request_id"].as_str().unwrap_or_default().is_empty(), "{body}");
        body
    }

    /// A problem, or an error in the shape of OpenAI's clients, with this status and code; what it says.
    #[track_caller]
    pub(crate) fn expect_refusal(self, status: u16, code: &str) -> String {
        if !self.body.starts_with("{\"error\"") {
            return self.expect_problem(status, code)["detail"].as_str().unwrap().to_owned();
        }
        let error = self.expect(status)["error"].clone();
        assert_eq!(error["code"], code, "{error}");
        assert!(error["type"].is_string() && error.get("param").is_some(), "{error}");
        assert!(!error["request_id"].as_str().unwrap_or_default().is_empty(), "{error}");
        error["message"].as_str().unwrap().to_owned()
    }

    /// A 422 that names this field.
    #[track_caller]
    pub(crate) fn expect_wrong_field(self, field: &str) -> Value {
        let body = self.expect_problem(422, "invalid_field");
        let named = body["errors"].as_array().unwrap().iter().any(|error| error["field"] == field);
        assert!(named, "no error names {field}: {body}");
        body
    }

    /// The events of a stream.
    #[track_caller]
    pub(crate) fn events(self) -> Vec<SseEvent> {
        assert_eq!(self.status, 200, "{}", self.body);
        parse_events(&self.body)
    }
}

/// A stream that is read as it comes; dropping it cuts it.
pub(crate) struct EventStream {
    body: BodyDataStream,
    read: String,
}

impl EventStream {
    #[track_caller]
    pub(crate) fn new(response: Response) -> Self {
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { body: response.into_body().into_data_stream(), read: String::new() }
    }

    /// The next event; none at the end.
    pub(crate) async fn next(&mut self) -> Option<SseEvent> {
        loop {
            while let Some(length) = self.read.find("\n\n") {
                let event = parse_event(&self.read[..length]);
                self.read.drain(..length + 2);
                if event.is_some() {
                    return event;
                }
            }
            let bytes = self.body.next().await?.ok()?;
            self.read.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }

    /// What is left.
    pub(crate) async fn rest(mut self) -> Vec<SseEvent> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

/// Reads an event stream; comments are passed over.
pub(crate) fn parse_events(body: &str) -> Vec<SseEvent> {
    body.split("\n\n").filter_map(parse_event).collect()
}

fn parse_event(block: &str) -> Option<SseEvent> {
    let field =
        |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    Some(SseEvent {
        // What is in no log has no number.
        id: field("id").map_or(Some(0), |id| id.parse().ok())?,
        event: field("event")?.to_owned(),
        data: serde_json::from_str(field("data")?).ok()?,
    })
}

/// The text a stream's tokens make.
pub(crate) fn joined(events: &[SseEvent]) -> String {
    events
        .iter()
        .filter(|event| event.event == "token")
        .map(|event| event.data["delta"].as_str().unwrap())
        .collect()
}
