//! What a handler gets to know about the key its request came under.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use uuid::Uuid;

/// Marks an answer that was given before.
pub const REPLAYED: (HeaderName, HeaderValue) =
    (HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));

/// One try of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The id of what is to be made.
    pub id: Uuid,
    /// No earlier try can have made it.
    pub is_first: bool,
    /// This try may make it; otherwise another request may be about to.
    pub is_held: bool,
}

impl Attempt {
    /// A try without a key.
    fn keyless() -> Self {
        Self { id: Uuid::now_v7(), is_first: true, is_held: true }
    }
}

impl<S: Sync> FromRequestParts<S> for Attempt {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Self>().copied().unwrap_or_else(Self::keyless))
    }
}
