//! Keys for one purpose each, derived from the one signing key: what one of
//! them signs means nothing to the others.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use secrecy::{ExposeSecret, SecretSlice};
use sha2::{Digest, Sha256};

use crate::error::{Context, Result};

/// What a derived key is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Purpose {
    /// Signing access tokens.
    AccessToken,
    /// Deriving a refresh token's successor.
    RefreshToken,
    /// Counting failed log-ins without keeping whose they were.
    LoginFailure,
    /// Deriving the token that makes the first administrator.
    Setup,
    /// Confirming that memories are to go.
    Confirmation,
}

impl Purpose {
    fn label(self) -> &'static [u8] {
        match self {
            Self::AccessToken => b"tandem/access-token/v1",
            Self::RefreshToken => b"tandem/refresh-token/v1",
            Self::LoginFailure => b"tandem/login-failure/v1",
            Self::Setup => b"tandem/setup/v1",
            Self::Confirmation => b"tandem/confirmation/v1",
        }
    }
}

/// The key for a purpose, 32 bytes.
pub(super) fn derive(signing_key: &SecretSlice<u8>, purpose: Purpose) -> Result<SecretSlice<u8>> {
    Ok(hmac(signing_key, purpose.label())?.to_vec().into())
}

/// HMAC-SHA256.
pub(super) fn hmac(key: &SecretSlice<u8>, message: &[u8]) -> Result<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret()).context("deriving a key")?;
    mac.update(message);
    Ok(mac.finalize().into_bytes().into())
}

/// SHA-256, which is enough to keep a random token by.
pub(super) fn sha256(token: &str) -> Vec<u8> {
    Sha256::digest(token.as_bytes()).to_vec()
}

/// 32 random bytes as text that fits into a URL.
pub(super) fn random_token() -> String {
    let mut bytes = [0_u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    encode(&bytes)
}

/// Bytes as text that fits into a URL.
pub(super) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Whether two secrets are the same, in a time that does not tell how far they are.
pub(super) fn same(one: &str, other: &str) -> bool {
    // Of random secrets, hashes may be compared like any text: nobody can steer them.
    sha256(one) == sha256(other)
}
