//! Somebody who sends requests.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Method, Request, header};
use serde_json::{Value, json};
use tower::ServiceExt;
use uuid::Uuid;

use super::response::{EventStream, SseEvent, TestResponse};

/// Paths that do not lie below the API's base.
const WHOLE: [&str; 8] = ["/api/", "/health", "/docs", "/openapi", "/setup", "/metrics", "/mcp", "/v1/"];

/// A user of the application under test.
#[derive(Clone)]
pub(crate) struct TestUser {
    router: Router,
    pub(crate) token: Option<String>,
    pub(crate) id: Uuid,
    pub(crate) email: String,
    peer: SocketAddr,
}

impl TestUser {
    pub(crate) fn new(router: Router, token: Option<String>, id: Uuid, email: String) -> Self {
        Self { router, token, id, email, peer: SocketAddr::from(([127, 0, 0, 1], 50_000)) }
    }

    /// The same, at the other end of a connection from this address.
    pub(crate) fn at(&self, address: &str) -> Self {
        Self { peer: SocketAddr::new(address.parse().unwrap(), 50_000), ..self.clone() }
    }

    /// The same router with another access token.
    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same user at another replica.
    pub(crate) fn on_replica(&self, router: Router) -> Self {
        Self { router, ..self.clone() }
    }

    pub(crate) async fn get(&self, path: &str) -> TestResponse {
        self.request(Method::GET, path, None, &[]).await
    }

    pub(crate) async fn delete(&self, path: &str) -> TestResponse {
        self.request(Method::DELETE, path, None, &[]).await
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> TestResponse {
        self.request(Method::POST, path, Some(body), &[]).await
    }

    pub(crate) async fn put(&self, path: &str, body: Value) -> TestResponse {
        self.request(Method::PUT, path, Some(body), &[]).await
    }

    pub(crate) async fn patch(&self, path: &str, body: Value) -> TestResponse {
        self.request(Method::PATCH, path, Some(body), &[]).await
    }

    /// A new conversation's id.
    pub(crate) async fn conversation(&self) -> String {
        let body = self.post("/chat/conversations", json!({})).await.expect(201);
        body["id"].as_str().unwrap().to_owned()
    }

    /// Sends a message and waits for the JSON answer.
    pub(crate) async fn ask(&self, conversation: &str, content: &str) -> TestResponse {
        let path = format!("/chat/conversations/{conversation}/send");
        let headers = [(header::ACCEPT.as_str(), "application/json")];
        self.request(Method::POST, &path, Some(json!({ "content": content })), &headers).await
    }

    /// Sends a message and reads the stream to its end.
    pub(crate) async fn stream(&self, conversation: &str, content: &str) -> Vec<SseEvent> {
        let path = format!("/chat/conversations/{conversation}/send");
        self.post(&path, json!({ "content": content })).await.events()
    }

    /// Any request. A path that begins with one of `WHOLE` is taken as it is.
    pub(crate) async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> TestResponse {
        let mut request = Request::builder().method(method).uri(whole(path));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = match body {
            Some(body) => {
                request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string()))
            }
            None => request.body(Body::empty()),
        };
        self.send(request.unwrap()).await
    }

    /// Opens a stream of events, to be read as it comes.
    pub(crate) async fn open(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> EventStream {
        let mut request = Request::builder().method(method).uri(whole(path));
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let mut request = request.header(header::CONTENT_TYPE, "application/json").body(body).unwrap();
        request.extensions_mut().insert(ConnectInfo(self.peer));
        EventStream::new(self.router.clone().oneshot(request).await.unwrap())
    }

    /// A request as it is.
    pub(crate) async fn send(&self, mut request: Request<Body>) -> TestResponse {
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        TestResponse::read(response).await
    }
}

fn whole(path: &str) -> String {
    let is_whole = WHOLE.iter().any(|start| path.starts_with(start));
    if is_whole { path.to_owned() } else { format!("/api/v1{path}") }
}
