//! Extractors whose refusals are problems that name the field.

use axum::extract::path::ErrorKind;
use axum::extract::rejection::{BytesRejection, FailedToBufferBody, PathRejection};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::header;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, FieldError};

/// A JSON body, read strictly and validated; also a JSON answer.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned + garde::Validate<Context = ()>,
{
    type Rejection = Error;

    async fn from_request(request: Request, state: &S) -> Result<Self, Error> {
        let value = parse(&json_bytes(request, state).await?)?;
        validate(&value)?;
        Ok(Self(value))
    }
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// The body limit in force, put into each request by the router, so that a 413 can name it.
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(pub usize);

/// A JSON body as it came, within the limit in force.
pub async fn json_bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Error> {
    require_json(&request)?;
    let limit_bytes = request.extensions().get::<BodyLimit>().map_or(usize::MAX, |limit| limit.0);
    Bytes::from_request(request, state).await.map_err(|rejection| unreadable(&rejection, limit_bytes))
}

fn require_json(request: &Request) -> Result<(), Error> {
    let given =
        request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    let essence = given.split(';').next().unwrap_or("").trim();
    if essence.eq_ignore_ascii_case("application/json") || essence.ends_with("+json") {
        return Ok(());
    }
    Err(Error::UnsupportedMediaType(format!(
        "send the header Content-Type: application/json, not \"{given}\""
    )))
}

fn unreadable(rejection: &BytesRejection, limit_bytes: usize) -> Error {
    match rejection {
        BytesRejection::FailedToBufferBody(FailedToBufferBody::LengthLimitError(_)) => {
            Error::TooLarge { limit_bytes }
        }
        other => Error::Malformed(other.to_string()),
    }
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Error> {
    // Every body is an object. A list would be read too, as its values in order.
    if body.trim_ascii_start().first() == Some(&b'[') {
        return Err(Error::field("body", "must be an object, not a list"));
    }
    // Most bodies are right, and keeping the path costs as much as reading: only a wrong one is read with it.
    if let Ok(value) = serde_json::from_slice(body) {
        return Ok(value);
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    let value =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| match error.inner().classify() {
            serde_json::error::Category::Data => {
                let message = strip_position(&error.inner().to_string());
                Error::field(field_of(error.path(), &message, "body"), message)
            }
            _ => Error::Malformed(format!("the body is not valid JSON: {}", error.inner())),
        })?;
    reader.end().map_err(|error| Error::Malformed(format!("the body is not valid JSON: {error}")))?;
    Ok(value)
}

/// Reads and checks a JSON value that was parsed before, as an item of a list
/// whose items are independent.
pub fn checked<T>(value: serde_json::Value) -> Result<T, Error>
where
    T: DeserializeOwned + garde::Validate<Context = ()>,
{
    if !value.is_object() {
        return Err(Error::field("item", "must be an object"));
    }
    let value = serde_path_to_error::deserialize(value).map_err(|error| {
        let message = error.inner().to_string();
        Error::field(field_of(error.path(), &message, "item"), message)
    })?;
    validate(&value)?;
    Ok(value)
}

/// Which field an error is about. One that is missing stands in the words only.
fn field_of(path: &serde_path_to_error::Path, message: &str, whole: &str) -> String {
    let inside = path.iter().next().is_some();
    let missing = message.strip_prefix("missing field `").and_then(|rest| rest.split('`').next());
    match (inside, missing) {
        (true, Some(name)) => format!("{path}.{name}"),
        (true, None) => path.to_string(),
        (false, Some(name)) => name.to_owned(),
        (false, None) => whole.to_owned(),
    }
}

/// serde_json appends a position, which the path already says better.
fn strip_position(message: &str) -> String {
    match message.rfind(" at line ") {
        Some(at) => message[..at].to_owned(),
        None => message.to_owned(),
    }
}

/// Checks a value; every wrong field is named.
pub fn validate<T: garde::Validate<Context = ()>>(value: &T) -> Result<(), Error> {
    value.validate().map_err(|report| {
        Error::Invalid(
            report
                .iter()
                .map(|(path, error)| FieldError {
                    field: path.to_string(),
                    message: error.message().to_owned(),
                })
                .collect(),
        )
    })
}

/// Query parameters, read strictly and validated.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<S, T> FromRequestParts<S> for Query<T>
where
    S: Send + Sync,
    T: DeserializeOwned + garde::Validate<Context = ()>,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let query = parts.uri.query().unwrap_or("");
        let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        let value: T = serde_path_to_error::deserialize(reader).map_err(|error| {
            let message = error.inner().to_string();
            Error::field(field_of(error.path(), &message, "query"), message)
        })?;
        validate(&value)?;
        Ok(Self(value))
    }
}

/// Path parameters.
#[derive(Clone, Copy, Debug)]
pub struct Path<T>(pub T);

impl<S, T> FromRequestParts<S> for Path<T>
where
    S: Send + Sync,
    T: DeserializeOwned + Send,
{
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Error::field(wrong_parameter(parts, &rejection).await, words(&rejection))),
        }
    }
}

/// The parameter that is wrong: the one that is named, or the only one there is.
async fn wrong_parameter(parts: &mut Parts, rejection: &PathRejection) -> String {
    if let PathRejection::FailedToDeserializePathParams(failure) = rejection
        && let ErrorKind::ParseErrorAtKey { key, .. }
        | ErrorKind::InvalidUtf8InPathParam { key }
        | ErrorKind::DeserializeError { key, .. } = failure.kind()
    {
        return key.clone();
    }
    let given = RawPathParams::from_request_parts(parts, &()).await;
    let names: Vec<&str> = given.iter().flatten().map(|(name, _)| name).collect();
    match names[..] {
        [name] => name.to_owned(),
        _ => "path".to_owned(),
    }
}

fn words(rejection: &PathRejection) -> String {
    let words = rejection.body_text();
    words.strip_prefix("Invalid URL: ").unwrap_or(&words).to_owned()
}
