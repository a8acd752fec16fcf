//! What the credentials of a request allow beyond its route.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;

use super::user::missing_token;
use crate::error::Error;

/// The scopes behind a request, for routes that serve several areas at once.
/// Put into it by the authentication layer, beside its user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grants {
    /// The user in person: everything the user may do.
    Person,
    /// An API key with these scopes.
    Key(Arc<[String]>),
}

impl Grants {
    /// Whether this scope is among them.
    pub fn allow(&self, scope: &str) -> bool {
        match self {
            Self::Person => true,
            Self::Key(scopes) => scopes.iter().any(|granted| granted == scope),
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Grants {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get::<Self>().cloned().ok_or_else(missing_token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_scopes_and_no_others() {
        let key = Grants::Key(Arc::from(["memory:read".to_owned()]));
        assert!(key.allow("memory:read") && Grants::Person.allow("memory:read"));
        for other in ["memory:write", "memory", "", "memory:read "] {
            assert!(!key.allow(other), "{other}");
        }
    }
}
