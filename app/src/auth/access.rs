//! Access tokens: short-lived JWTs. The algorithm, issuer and audience are
//! fixed; whatever a token says about them is only compared.

use entity::ids::UserId;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::CurrentUser;
use super::keys::{self, Purpose};
use crate::error::{Context, Error, Result};
use crate::state::AppState;

const ALGORITHM: Algorithm = Algorithm::HS256;
const ISSUER: &str = "tandem";
const AUDIENCE: &str = "tandem-api";
/// Replicas' clocks may differ by this much.
const LEEWAY_S: u64 = 5;

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    /// The user's id.
    sub: Uuid,
    /// Seconds since 1970.
    iat: u64,
    /// Seconds since 1970.
    exp: u64,
    jti: Uuid,
}

/// A token that lets its bearer act as `user` for `ACCESS_TOKEN_TTL`.
pub fn access_token(state: &AppState, user: &CurrentUser) -> Result<String> {
    sign_access_token(&state.signing_key, state.settings.auth.access_token_ttl_s, user)
}

/// The same for who has the signing key but no state: the command line.
pub fn sign_access_token(signing_key: &SecretSlice<u8>, ttl_s: u64, user: &CurrentUser) -> Result<String> {
    let now = jsonwebtoken::get_current_timestamp();
    let claims = Claims {
        iss: ISSUER.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: user.id.0,
        iat: now,
        exp: now + ttl_s,
        jti: Uuid::now_v7(),
    };
    let key = keys::derive(signing_key, Purpose::AccessToken)?;
    let key = EncodingKey::from_secret(key.expose_secret());
    jsonwebtoken::encode(&Header::new(ALGORITHM), &claims, &key).context("signing an access token")
}

/// The user a token speaks for, if it is one of ours and still holds. Whether
/// the account still exists and is active is for the caller to ask.
pub(super) fn verify(signing_key: &SecretSlice<u8>, token: &str) -> Result<UserId> {
    let mut rules = Validation::new(ALGORITHM);
    rules.leeway = LEEWAY_S;
    rules.set_issuer(&[ISSUER]);
    rules.set_audience(&[AUDIENCE]);
    rules.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let key = keys::derive(signing_key, Purpose::AccessToken)?;
    let key = DecodingKey::from_secret(key.expose_secret());
    match jsonwebtoken::decode::<Claims>(token, &key, &rules) {
        Ok(token) => Ok(UserId(token.claims.sub)),
        Err(error) if matches!(error.kind(), ErrorKind::ExpiredSignature) => {
            Err(Error::unauthenticated("expired_token", "the access token has expired; refresh it"))
        }
        Err(_) => Err(invalid_token()),
    }
}

/// One answer for everything that is wrong with a token, so that a forger learns nothing.
pub(super) fn invalid_token() -> Error {
    Error::unauthenticated("invalid_token", "the access token is not valid")
}
