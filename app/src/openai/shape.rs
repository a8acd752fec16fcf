//! Errors as OpenAI writes them.

use axum::body::{Body, to_bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use super::BASE;
use crate::web::problem::MEDIA_TYPE;

/// No problem is longer.
const PROBLEM_BYTES_MAX: usize = 64 * 1024;

/// Gives the errors of this face the shape its clients read; other answers pass.
pub async fn in_its_shape(response: Response) -> Response {
    let is_problem = response.headers().get(header::CONTENT_TYPE).is_some_and(|given| given == MEDIA_TYPE);
    if is_problem { reshaped(response).await } else { response }
}

/// Whether a path belongs to the face.
pub fn is_ours(path: &str) -> bool {
    path.strip_prefix(BASE).is_some_and(|rest| rest.starts_with('/'))
}

async fn reshaped(response: Response) -> Response {
    let (mut parts, body) = response.into_parts();
    let bytes = to_bytes(body, PROBLEM_BYTES_MAX).await.unwrap_or_default();
    let problem: Value = serde_json::from_slice(&bytes).unwrap_or_default();
    // Its clients take a wrong field for a bad request.
    if parts.status == StatusCode::UNPROCESSABLE_ENTITY {
        parts.status = StatusCode::BAD_REQUEST;
    }
    let mut error = json!({ "error": {
        "message": message(&problem),
        "type": kind(parts.status),
        "param": problem["errors"][0].get("field"),
        "code": problem["code"],
        "request_id": problem["request_id"],
    }});
    if let Some(figures) = problem.get("quota") {
        error["error"]["type"] = json!("insufficient_quota");
        error["error"]["quota"] = figures.clone();
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.remove(header::CONTENT_TYPE);
    let mut reshaped = (parts.status, axum::Json(error)).into_response();
    for (name, value) in &parts.headers {
        reshaped.headers_mut().insert(name.clone(), value.clone());
    }
    reshaped.map(Body::new)
}

fn message(problem: &Value) -> String {
    let detail = problem["detail"].as_str().unwrap_or("the request failed");
    match (problem["errors"][0]["field"].as_str(), problem["errors"][0]["message"].as_str()) {
        (Some(field), Some(message)) => format!("{field}: {message}"),
        _ => detail.to_owned(),
    }
}

/// What OpenAI calls a failure with this status.
fn kind(status: StatusCode) -> &'static str {
    match status {
        StatusCode::UNAUTHORIZED => "authentication_error",
        StatusCode::FORBIDDEN => "permission_error",
        StatusCode::TOO_MANY_REQUESTS => "rate_limit_error",
        status if status.is_server_error() => "server_error",
        _ => "invalid_request_error",
    }
}
