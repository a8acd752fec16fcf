//! Who knows the password.

use entity::core::user;
use secrecy::SecretString;

use super::{password, queries};
use crate::db::CoreDb;
use crate::error::{Error, Result};

/// The user with this address and password. A wrong password and an unknown
/// address get the same answer after the same work; that an account is
/// disabled is told only to whoever knows its password.
pub(super) async fn authenticate(core: &CoreDb, email: &str, password: &SecretString) -> Result<user::Model> {
    let user = core.promptly(queries::by_email(core, email)).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    // No connection is held here: hashing waits for a core.
    let matches = password::verify(password, hash).await?;
    match user {
        Some(user) if matches && user.is_active => Ok(user),
        Some(_) if matches => Err(account_disabled()),
        _ => Err(Error::unauthenticated("invalid_credentials", "email or password is wrong")),
    }
}

pub(super) fn account_disabled() -> Error {
    Error::unauthenticated("account_disabled", "this account is disabled")
}
