//! Codes that confirm one deed of one user, kept nowhere: any replica makes the
//! same code for the same words, and nobody makes it without the signing key.

use entity::ids::UserId;

use super::keys::{Purpose, derive, encode, hmac};
use crate::error::Result;
use crate::state::AppState;

const CODE_CHARACTERS: usize = 12;

/// The code with which a user confirms what `deed` says.
pub fn confirmation(state: &AppState, user: UserId, deed: &str) -> Result<String> {
    let key = derive(&state.signing_key, Purpose::Confirmation)?;
    let mac = hmac(&key, format!("{user}\n{deed}").as_bytes())?;
    Ok(encode(&mac).chars().take(CODE_CHARACTERS).collect())
}

/// Whether this is that code.
pub fn confirms(state: &AppState, user: UserId, deed: &str, code: &str) -> Result<bool> {
    Ok(super::keys::same(&confirmation(state, user, deed)?, code))
}
