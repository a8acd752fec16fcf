//! Access tokens: what is accepted, and every forgery that is not.

use hmac::{Hmac, KeyInit, Mac};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::Sha256;
use tandem::auth;
use uuid::Uuid;

use crate::support::TestApp;

/// The key access tokens are really signed with, so that a forgery is wrong in
/// one respect only.
pub(super) fn real_key(app: &TestApp) -> Vec<u8> {
    key_for(app, "access-token")
}

/// The key that is really derived for a purpose.
fn key_for(app: &TestApp, purpose: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(app.state.signing_key.expose_secret()).unwrap();
    mac.update(format!("tandem/{purpose}/v1").as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// A token whose header says whatever we like, over a genuine signature.
fn sign_with_header(key: &[u8], header: &Value, claims: &Value) -> String {
    use base64::Engine;
    let signed = format!("{}.{}", base64(header), base64(claims));
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(signed.as_bytes());
    let signature = mac.finalize().into_bytes();
    format!("{signed}.{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(signature))
}

fn without(claims: &Value, name: &str) -> Value {
    let mut claims = claims.clone();
    claims.as_object_mut().unwrap().remove(name);
    claims
}

pub(super) fn claims(user: Uuid) -> Value {
    let now = get_current_timestamp();
    json!({"iss": "tandem", "aud": "tandem-api", "sub": user, "iat": now, "exp": now + 600, "jti": Uuid::now_v7()})
}

pub(super) fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    claims[name] = value;
    claims
}

pub(super) fn sign(algorithm: Algorithm, key: &[u8], claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(key)).unwrap()
}

fn base64(value: &Value) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Any will do: the server has none.
const PUBLIC_KEY: &str = "-----BEGIN PUBLIC KEY-----\n\
    MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

#[tokio::test]
async fn forged_tokens_are_refused() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let (key, good) = (real_key(&app), claims(user.id));
    let hs256 = |claims: &Value| sign(Algorithm::HS256, &key, claims);
    // Without this the rest would prove nothing.
    user.with_token(&hs256(&good)).get("/auth/me").await.expect(200);

    // This shape of forgery is not refused for its shape.
    let headed = |header: Value| sign_with_header(&key, &header, &good);
    user.with_token(&headed(json!({"alg": "HS256", "typ": "JWT"}))).get("/auth/me").await.expect(200);

    let unsigned =
        |algorithm: &str| format!("{}.{}.", base64(&json!({"alg": algorithm, "typ": "JWT"})), base64(&good));
    let body_swapped = {
        let other = hs256(&claims(app.admin().await.id));
        let (mine, theirs) = (hs256(&good), other);
        let parts: Vec<&str> = mine.split('.').collect();
        format!("{}.{}.{}", parts[0], theirs.split('.').nth(1).unwrap(), parts[2])
    };
    let forgeries = [
        ("alg none", unsigned("none")),
        ("no signature", unsigned("HS256")),
        ("HS512", sign(Algorithm::HS512, &key, &good)),
        ("HS384", sign(Algorithm::HS384, &key, &good)),
        ("other key", sign(Algorithm::HS256, b"another key of some length......", &good)),
        ("the undivided key", sign(Algorithm::HS256, app.state.signing_key.expose_secret(), &good)),
        ("other issuer", hs256(&with(&good, "iss", json!("someone")))),
        ("issuers", hs256(&with(&good, "iss", json!(["tandem"])))),
        ("other audience", hs256(&with(&good, "aud", json!("other-api")))),
        ("no audience", hs256(&without(&good, "aud"))),
        ("no issuer", hs256(&without(&good, "iss"))),
        ("no subject", hs256(&without(&good, "sub"))),
        ("no expiry", hs256(&without(&good, "exp"))),
        ("no id", hs256(&without(&good, "jti"))),
        ("audiences", hs256(&with(&good, "aud", json!(["tandem-api"])))),
        ("a key of refresh tokens", sign(Algorithm::HS256, &key_for(&app, "refresh-token"), &good)),
        ("a key of the setup", sign(Algorithm::HS256, &key_for(&app, "setup"), &good)),
        ("a key of log-in counts", sign(Algorithm::HS256, &key_for(&app, "login-failure"), &good)),
        // The signature is right; the header names an algorithm with a public key.
        ("RS256 with the key as secret", headed(json!({"alg": "RS256", "typ": "JWT"}))),
        ("ES256 with the key as secret", headed(json!({"alg": "ES256", "typ": "JWT"}))),
        ("EdDSA with the key as secret", headed(json!({"alg": "EdDSA", "typ": "JWT"}))),
        ("nOnE", headed(json!({"alg": "nOnE", "typ": "JWT"}))),
        ("no algorithm", headed(json!({"typ": "JWT"}))),
        // A public key as the secret of HS256, and a key that the token brings along.
        ("a public key as secret", sign(Algorithm::HS256, PUBLIC_KEY.as_bytes(), &good)),
        (
            "a key of its own",
            sign_with_header(b"mine", &json!({"alg": "HS256", "jwk": {"kty": "oct", "k": "bWluZQ"}}), &good),
        ),
        ("expiry as text", hs256(&with(&good, "exp", json!("never")))),
        ("subject is no id", hs256(&with(&good, "sub", json!("admin")))),
        ("subject does not exist", hs256(&with(&good, "sub", json!(Uuid::now_v7())))),
        ("another's body", body_swapped),
        ("no token at all", "garbage".to_owned()),
    ];
    for (what, token) in forgeries {
        let answer = user.with_token(&token).get("/auth/me").await;
        assert_eq!(answer.status, 401, "{what}");
        answer.expect_problem(401, "invalid_token");
    }
}

#[tokio::test]
async fn an_expired_token_says_so_only_when_it_was_ours() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let past = get_current_timestamp() - 60;
    let expired = with(&claims(user.id), "exp", json!(past));
    let ours = sign(Algorithm::HS256, &real_key(&app), &expired);
    user.with_token(&ours).get("/auth/me").await.expect_problem(401, "expired_token");
    let theirs = sign(Algorithm::HS256, b"another key of some length......", &expired);
    user.with_token(&theirs).get("/auth/me").await.expect_problem(401, "invalid_token");
}

#[tokio::test]
async fn a_token_lives_as_long_as_configured() {
    let app = TestApp::with().env("ACCESS_TOKEN_TTL", 120).start().await;
    let user = app.user().await;
    let row = auth::find_user_by_email(app.core(), &user.email).await.unwrap().unwrap();
    let token = auth::access_token(&app.state, &row).unwrap();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode(&token).unwrap().claims;
    assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 120);
    assert_eq!(claims["sub"], json!(user.id));
    assert_eq!(claims.as_object().unwrap().len(), 6, "{claims}");
    let again = auth::access_token(&app.state, &row).unwrap();
    assert_ne!(token, again, "each token has an id of its own");
}
