//! Passwords: argon2id, off the async threads, and never more at once than
//! there are cores, since each holds 19 MB and a core for tens of milliseconds.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use argon2::password_hash::{PasswordHash as PhcHash, PasswordHasher, PasswordVerifier, SaltString};
use argon2::{Algorithm, Argon2, Params, Version};
use entity::core::user::PasswordHash;
use rand::Rng;
use rand::seq::IndexedRandom;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::error::{Context, Error, Result};

/// Shortest password, in characters.
pub(super) const CHARACTERS_MIN: usize = 8;
/// Longest password, in characters.
pub(super) const CHARACTERS_MAX: usize = 128;

const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Nobody waits longer for a core; they are told to come back.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Compared with when there is no such user, so that the answer takes as long:
/// a hash of nothing, with the parameters above.
const DUMMY_HASH: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/// 56 characters that nobody mistakes for each other; 20 of them are 116 bits.
const ALPHABET: &[u8] = b"abcdefghijkmnopqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
const GENERATED_CHARACTERS: usize = 20;

static CORES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new(cores))
});

/// The right to hash one password: there are as many as cores.
#[derive(Debug)]
pub(super) struct Turn(
    #[expect(dead_code, reason = "held, and given back when it is dropped")] OwnedSemaphorePermit,
);

/// A random password of 20 characters.
pub fn generate_password() -> SecretString {
    let mut rng = rand::rng();
    (0..GENERATED_CHARACTERS)
        .filter_map(|_| ALPHABET.choose(&mut rng))
        .map(|byte| char::from(*byte))
        .collect::<String>()
        .into()
}

/// The PHC string to store.
pub(super) async fn hash(password: &SecretString) -> Result<PasswordHash> {
    let password = password.clone();
    on_a_core(turn().await?, move || {
        let mut salt = [0_u8; 16];
        rand::rng().fill_bytes(&mut salt);
        let salt = SaltString::encode_b64(&salt).map_err(unusable)?;
        let hash = argon2()?.hash_password(password.expose_secret().as_bytes(), &salt).map_err(unusable)?;
        Ok(PasswordHash(hash.to_string()))
    })
    .await
}

/// Whether the password is the one behind `hash`. Without a hash the work is
/// the same and the answer is no.
pub(super) async fn verify(turn: Turn, password: &SecretString, hash: Option<PasswordHash>) -> Result<bool> {
    let password = password.clone();
    on_a_core(turn, move || {
        let stored = hash.as_ref().map_or(DUMMY_HASH, |hash| hash.0.as_str());
        let stored = PhcHash::new(stored).map_err(unusable)?;
        let matches = argon2()?.verify_password(password.expose_secret().as_bytes(), &stored).is_ok();
        Ok(matches && hash.is_some())
    })
    .await
}

/// For `#[garde(custom(..))]`: a password somebody may choose.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde's signature")]
pub(super) fn is_acceptable(password: &SecretString, _: &()) -> garde::Result {
    let characters = password.expose_secret().chars().count();
    if (CHARACTERS_MIN..=CHARACTERS_MAX).contains(&characters) {
        return Ok(());
    }
    Err(garde::Error::new(format!("must have {CHARACTERS_MIN} to {CHARACTERS_MAX} characters")))
}

/// For `#[garde(custom(..))]`: a password worth comparing.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde's signature")]
pub(super) fn is_bounded(password: &SecretString, _: &()) -> garde::Result {
    if password.expose_secret().chars().count() <= CHARACTERS_MAX {
        return Ok(());
    }
    Err(garde::Error::new(format!("must have at most {CHARACTERS_MAX} characters")))
}

/// Waits for a core to hash on.
pub(super) async fn turn() -> Result<Turn> {
    let permit = tokio::time::timeout(WAIT_MAX, Arc::clone(&CORES).acquire_owned())
        .await
        .map_err(|_| Error::Unavailable {
            code: "too_many_logins",
            detail: "too many passwords are being checked; try again shortly".to_owned(),
            source: None,
        })?
        .context("waiting for a core")?;
    Ok(Turn(permit))
}

/// Runs work that takes a whole core. The turn goes with the work, because
/// the work goes on when whoever asked for it has left.
async fn on_a_core<T: Send + 'static>(
    turn: Turn,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(move || {
        let result = work();
        drop(turn);
        result
    })
    .await
    .context("hashing a password")?
}

fn argon2() -> Result<Argon2<'static>> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None)
        .map_err(|error| Error::internal("hashing a password", error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn unusable(error: argon2::password_hash::Error) -> Error {
    Error::internal("hashing a password", error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_opens_only_its_own_hash() {
        let password = generate_password();
        let stored = hash(&password).await.unwrap();
        assert!(stored.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(format!("{stored:?}"), "PasswordHash(hidden)");
        assert!(verify(turn().await.unwrap(), &password, Some(stored.clone())).await.unwrap());
        assert!(!verify(turn().await.unwrap(), &generate_password(), Some(stored)).await.unwrap());
    }

    #[tokio::test]
    async fn the_dummy_costs_the_same_and_opens_to_nobody() {
        let dummy = PhcHash::new(DUMMY_HASH).unwrap();
        let params = Params::try_from(&dummy).unwrap();
        assert_eq!((params.m_cost(), params.t_cost(), params.p_cost()), (MEMORY_KIB, PASSES, LANES));
        assert_eq!(dummy.hash.unwrap().len(), Params::DEFAULT_OUTPUT_LEN);
        assert!(!verify(turn().await.unwrap(), &"".into(), None).await.unwrap());
    }

    #[test]
    fn generated_passwords_differ_and_are_acceptable() {
        let (one, other) = (generate_password(), generate_password());
        assert_ne!(one.expose_secret(), other.expose_secret());
        assert!(is_acceptable(&one, &()).is_ok());
        assert!(is_acceptable(&"short".into(), &()).is_err());
        assert!(is_acceptable(&"x".repeat(129).into(), &()).is_err());
    }
}
