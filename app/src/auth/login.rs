//! Who knows the password.

use entity::core::user;
use secrecy::SecretString;

use super::password::Turn;
use super::throttle::Throttle;
use super::{CurrentUser, password, queries, refresh};
use crate::db::CoreDb;
use crate::error::{Error, Result};
use crate::state::AppState;
use crate::web::Client;

/// A session of the user with this address and password. 429 after too many
/// failures; what is right from somewhere else is not refused for them.
pub(super) async fn log_in(
    state: &AppState,
    client: Client,
    email: &str,
    password: &SecretString,
) -> Result<(CurrentUser, SecretString)> {
    let throttle = Throttle::log_in(state, client, email)?;
    throttle.check(&state.core).await?;
    // First the turn: then only a few attempts are under way at once, and those
    // of one user need not wait for each other.
    let turn = password::turn().await?;
    let attempt = throttle.attempt(&state.core).await?;
    let outcome = begin_session(state, turn, email, password).await;
    attempt.end(&state.core, &outcome).await;
    outcome
}

async fn begin_session(
    state: &AppState,
    turn: Turn,
    email: &str,
    password: &SecretString,
) -> Result<(CurrentUser, SecretString)> {
    let user = authenticate(&state.core, turn, email, password).await?;
    let token = refresh::start(state, &user).await?;
    Ok((user.into(), token))
}

/// The user with this address and password. A wrong password and an unknown
/// address get the same answer after the same work; that an account is
/// disabled is told only to whoever knows its password.
async fn authenticate(
    core: &CoreDb,
    turn: Turn,
    email: &str,
    password: &SecretString,
) -> Result<user::Model> {
    let user = core.promptly(queries::by_email(core, email)).await?;
    let hash = user.as_ref().map(|user| user.password_hash.clone());
    // No connection is held here: hashing waits for a core.
    let matches = password::verify(turn, password, hash).await?;
    match user {
        Some(user) if matches && user.is_active => Ok(user),
        Some(_) if matches => Err(account_disabled()),
        _ => Err(invalid_credentials()),
    }
}

pub(super) fn invalid_credentials() -> Error {
    Error::unauthenticated("invalid_credentials", "email or password is wrong")
}

pub(super) fn account_disabled() -> Error {
    Error::unauthenticated("account_disabled", "this account is disabled")
}
