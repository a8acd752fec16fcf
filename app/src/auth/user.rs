//! Authorisation as an argument: a handler that has a [`CurrentUser`] has
//! proof that the request carries valid credentials.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use entity::core::user::{self, Role};
use entity::ids::{CollectionId, TenantId, UserId};

use super::Audience;
use crate::error::Error;

/// The user behind a request. Put into it by the authentication layer, which
/// stands in front of every route that is not on the public list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CurrentUser {
    /// Key.
    pub id: UserId,
    /// The tenant the user belongs to.
    pub tenant_id: TenantId,
    /// Address.
    pub email: String,
    /// What the user may do.
    pub role: Role,
    /// Collections of sources that the user may read, as they were when the account was read.
    pub collections: Vec<CollectionId>,
}

impl CurrentUser {
    /// The rows this user may read.
    pub fn audience(&self) -> Audience {
        Audience::of(self.id, self.tenant_id).and_collections(&self.collections)
    }

    /// Whether the administration is open to this user.
    pub fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

impl<S: Sync> FromRequestParts<S> for CurrentUser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        parts.extensions.get::<Self>().cloned().ok_or_else(missing_token)
    }
}

impl From<user::Model> for CurrentUser {
    /// Of somebody who logs in: what reads for a user reads the account with its collections.
    fn from(user: user::Model) -> Self {
        Self {
            id: user.id,
            tenant_id: user.tenant_id,
            email: user.email,
            role: user.role,
            collections: Vec::new(),
        }
    }
}

pub(super) fn missing_token() -> Error {
    Error::unauthenticated("missing_token", "send the header Authorization: Bearer <access token or API key>")
}

/// A user with the role `admin`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdminUser(pub CurrentUser);

impl<S: Sync> FromRequestParts<S> for AdminUser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let user = CurrentUser::from_request_parts(parts, state).await?;
        if user.is_admin() {
            Ok(Self(user))
        } else {
            Err(Error::forbidden("admin_only", "this route is for administrators"))
        }
    }
}
