//! Errors as RFC 9457 problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::{IntoResponses, ToSchema};
use uuid::Uuid;

use crate::error::{Error, FieldError, QuotaFigures};

/// The media type of every error body.
pub const MEDIA_TYPE: &str = "application/problem+json";

const RETRY_AFTER_S: &str = "5";

/// An error body, RFC 9457.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: `code` tells kinds apart.
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The status in words.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// What is wrong, for a developer to read.
    pub detail: String,
    /// What is wrong, for a program to read.
    pub code: String,
    /// The wrong fields of a 422.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The row in the way of a 409.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Uuid>,
    /// The figures of a 429 `quota_exceeded`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Box<QuotaFigures>>,
    /// The request's id, as in the logs and in the `x-request-id` header.
    pub request_id: String,
}

/// The errors every route may answer with, for the OpenAPI document.
#[derive(Debug, IntoResponses)]
pub enum Problems {
    /// The request cannot be read.
    #[response(status = 400, content_type = "application/problem+json")]
    Malformed(Problem),
    /// No valid credentials.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthenticated(Problem),
    /// Not allowed.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// Does not exist for this user.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Contradicts the current state.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// A field is wrong.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(Problem),
    /// Something this route needs is away.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
}

tokio::task_local! {
    /// The id of the request being answered; the router sets it.
    pub static REQUEST_ID: String;
}

impl Error {
    /// HTTP status of the error.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden { .. } => StatusCode::FORBIDDEN,
            Self::NotFound(_) | Self::Absent { .. } => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Gone { .. } => StatusCode::GONE,
            Self::TooMany { .. } | Self::OverQuota(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Upstream { .. } => StatusCode::BAD_GATEWAY,
            Self::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) if self.is_outage() || self.is_given_up() => StatusCode::SERVICE_UNAVAILABLE,
            Self::Database(_) | Self::Startup { .. } | Self::Internal { .. } => {
                StatusCode::INTERNAL_SERVER_ERROR
            }
        }
    }

    /// Machine-readable reason.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed_request",
            Self::Unauthenticated { code, .. }
            | Self::Forbidden { code, .. }
            | Self::Absent { code, .. }
            | Self::Conflict { code, .. }
            | Self::Gone { code, .. }
            | Self::TooMany { code, .. }
            | Self::Upstream { code, .. }
            | Self::Unavailable { code, .. } => code,
            Self::OverQuota(_) => "quota_exceeded",
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed(_) => "method_not_allowed",
            Self::TooLarge { .. } => "body_too_large",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::Invalid(_) => "invalid_field",
            Self::Database(_) if self.is_outage() => "database_unavailable",
            Self::Database(_) if self.is_given_up() => "database_timeout",
            Self::Database(_) | Self::Startup { .. } | Self::Internal { .. } => "internal",
        }
    }

    /// Its words for a stream that has begun, unless they are for the log only.
    pub fn public_detail(&self) -> String {
        match self {
            Self::Upstream { detail, .. } | Self::Unavailable { detail, .. } => detail.clone(),
            _ => "an internal error; the log has it".to_owned(),
        }
    }

    fn problem(&self) -> Problem {
        let status = self.status();
        let detail = match self {
            Self::Database(_) if self.is_outage() => "a database is not available".to_owned(),
            Self::Database(_) if self.is_given_up() => {
                "the database gave the statement up, it took too long; try again".to_owned()
            }
            Self::Database(_) | Self::Startup { .. } | Self::Internal { .. } => {
                "an internal error; the log has it under the request id".to_owned()
            }
            other => other.to_string(),
        };
        let (errors, id) = match self {
            Self::Invalid(errors) => (errors.clone(), None),
            Self::Conflict { id, .. } => (Vec::new(), *id),
            _ => (Vec::new(), None),
        };
        Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            detail,
            code: self.code().to_owned(),
            errors,
            id,
            quota: if let Self::OverQuota(figures) = self { Some(figures.clone()) } else { None },
            request_id: REQUEST_ID.try_with(Clone::clone).unwrap_or_default(),
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            // Logged once, here, with its causes; never sent.
            tracing::error!(error = %Chain(&self), code = self.code(), "request failed");
        }
        let body = serde_json::to_vec(&self.problem()).unwrap_or_default();
        let media_type = HeaderValue::from_static(MEDIA_TYPE);
        let mut response = (status, [(header::CONTENT_TYPE, media_type)], body).into_response();
        let headers = response.headers_mut();
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_S));
        }
        if let Self::TooMany { retry_after_s, .. } = &self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(*retry_after_s));
        }
        if let Self::OverQuota(figures) = &self {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(figures.retry_after_s));
        }
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

/// An error with all its causes on one line.
#[derive(Debug)]
pub struct Chain<'a>(pub &'a (dyn std::error::Error + 'static));

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}
