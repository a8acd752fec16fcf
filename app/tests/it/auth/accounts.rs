//! Registering, logging in, who am I; what the command line calls.

use entity::core::user::Role;
use sea_orm::ConnectionTrait;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tandem::auth::{self, NewUser};

use super::{PASSWORD, log_in, register};
use crate::support::TestApp;

#[tokio::test]
async fn registering_and_logging_in_opens_the_api() {
    let app = TestApp::start().await;
    let body = json!({"email": " Ada@Example.COM ", "password": PASSWORD, "full_name": "Ada"});
    let user = app.anonymous().post("/auth/register", body).await.expect(201);
    assert_eq!(user["email"], "ada@example.com");
    assert_eq!(user["role"], "user");
    assert!(user.get("password").is_none() && user.get("password_hash").is_none());

    let body = json!({"email": "ADA@example.com", "password": PASSWORD});
    let tokens = app.anonymous().post("/auth/login", body).await.expect(200);
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["expires_in"], 900);

    let ada = app.anonymous().with_token(tokens["access_token"].as_str().unwrap());
    let me = ada.get("/auth/me").await.expect(200);
    for (field, value) in user.as_object().unwrap() {
        assert_eq!(&me[field], value, "{field}");
    }
    assert_eq!((&me["full_name"], &me["tier"]), (&json!("Ada"), &json!("free")));
    assert!(me["tenant_id"].is_string() && me["created_at"].is_string());
}

#[tokio::test]
async fn a_wrong_field_of_a_registration_is_named() {
    let app = TestApp::start().await;
    let cases = [
        ("email", json!({"email": "nobody", "password": PASSWORD})),
        ("email", json!({"email": format!("{}@example.com", "a".repeat(250)), "password": PASSWORD})),
        ("email", json!({"email": "a\u{0}@example.com", "password": PASSWORD})),
        ("password", json!({"email": "a@example.com", "password": "7 chars"})),
        ("password", json!({"email": "a@example.com", "password": "x".repeat(129)})),
        ("password", json!({"email": "a@example.com", "password": 12_345_678})),
        ("full_name", json!({"email": "a@example.com", "password": PASSWORD, "full_name": " "})),
        ("full_name", json!({"email": "a@example.com", "password": PASSWORD, "full_name": "a\u{0}"})),
        ("role", json!({"email": "a@example.com", "password": PASSWORD, "role": "admin"})),
    ];
    for (field, body) in cases {
        let named = app.anonymous().post("/auth/register", body).await.expect_wrong_field(field);
        assert!(!named.to_string().contains(PASSWORD));
    }
    // Eight characters, not bytes.
    let body = json!({"email": "a@example.com", "password": "äöüäöüäö"});
    app.anonymous().post("/auth/register", body).await.expect(201);
}

#[tokio::test]
async fn an_address_has_one_account() {
    let app = TestApp::start().await;
    let (_, email) = register(&app).await;
    let body = json!({"email": email.to_uppercase(), "password": PASSWORD});
    app.anonymous().post("/auth/register", body).await.expect_problem(409, "email_taken");
}

#[tokio::test]
async fn closed_registration_makes_no_accounts() {
    let app = TestApp::with().env("REGISTRATION", "closed").start().await;
    let body = json!({"email": "a@example.com", "password": PASSWORD});
    app.anonymous().post("/auth/register", body).await.expect_problem(403, "registration_closed");
    assert!(auth::find_user_by_email(app.core(), "a@example.com").await.unwrap().is_none());
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_are_told_alike() {
    let app = TestApp::start().await;
    let (_, email) = register(&app).await;
    let mut answers = Vec::new();
    for (email, password) in
        [(email.as_str(), "wrong password"), ("nobody@example.com", PASSWORD), ("x", "y")]
    {
        let body = json!({"email": email, "password": password});
        let mut problem =
            app.anonymous().post("/auth/login", body).await.expect_problem(401, "invalid_credentials");
        problem["request_id"].take();
        answers.push(problem);
    }
    assert!(answers.iter().all(|answer| answer == &answers[0]));

    let body = json!({"email": "a\u{0}", "password": PASSWORD});
    app.anonymous().post("/auth/login", body).await.expect_wrong_field("email");
    let body = json!({"email": email, "password": PASSWORD, "remember": true});
    app.anonymous().post("/auth/login", body).await.expect_wrong_field("remember");
}

#[tokio::test]
async fn a_disabled_account_is_shut_out_on_the_next_request() {
    let app = TestApp::start().await;
    let session = log_in(&app).await;
    let user = app.anonymous().with_token(&session.access);
    user.get("/auth/me").await.expect(200);

    let disable = format!("UPDATE users SET is_active = false WHERE id = '{}'", session.id);
    app.core().execute_unprepared(&disable).await.unwrap();
    user.get("/auth/me").await.expect_problem(401, "account_disabled");
    let body = json!({"refresh_token": session.refresh});
    app.anonymous().post("/auth/refresh", body).await.expect_problem(401, "account_disabled");
    let body = json!({"email": session.email, "password": PASSWORD});
    app.anonymous().post("/auth/login", body).await.expect_problem(401, "account_disabled");
    // Who does not know the password does not learn that the account exists.
    let body = json!({"email": session.email, "password": "wrong password"});
    app.anonymous().post("/auth/login", body).await.expect_problem(401, "invalid_credentials");
    assert!(auth::find_user_by_email(app.core(), &session.email).await.unwrap().is_none());
}

#[tokio::test]
async fn the_operator_makes_accounts_and_sets_passwords() {
    let app = TestApp::with().env("REGISTRATION", "closed").start().await;
    let password = auth::generate_password();
    let new = NewUser {
        email: "Root@Example.com".to_owned(),
        password: password.clone(),
        full_name: None,
        role: Role::Admin,
    };
    assert!(!format!("{new:?}").contains(password.expose_secret()));
    let id = auth::create_user(app.core(), new.clone()).await.unwrap();
    assert_eq!(auth::create_user(app.core(), new).await.unwrap_err().code(), "email_taken");
    let user = auth::find_user_by_email(app.core(), "root@example.com").await.unwrap().unwrap();
    assert_eq!((user.id, user.role), (id, Role::Admin));

    let log_in = async |password: &SecretString| {
        let body = json!({"email": "root@example.com", "password": password.expose_secret()});
        app.anonymous().post("/auth/login", body).await
    };
    let tokens = log_in(&password).await.expect(200);
    let other = auth::generate_password();
    auth::set_password(app.core(), "root@example.com", other.clone()).await.unwrap();
    log_in(&password).await.expect_problem(401, "invalid_credentials");
    log_in(&other).await.expect(200);
    // The sessions of before have ended.
    let body = json!({"refresh_token": tokens["refresh_token"]});
    app.anonymous().post("/auth/refresh", body).await.expect_problem(401, "refresh_token_revoked");
}
