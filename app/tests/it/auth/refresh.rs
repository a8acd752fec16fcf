//! Rotation, repetition, theft, log-out.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::ConnectionTrait;
use serde_json::json;

use super::{log_in, text};
use crate::support::TestApp;
use crate::support::response::TestResponse;

async fn refresh(app: &TestApp, token: &str) -> TestResponse {
    app.anonymous().post("/auth/refresh", json!({"refresh_token": token})).await
}

async fn successor(app: &TestApp, token: &str) -> String {
    text(&refresh(app, token).await.expect(200), "refresh_token")
}

async fn execute(app: &TestApp, sql: &str) -> u64 {
    app.core().execute_unprepared(sql).await.unwrap().rows_affected()
}

/// Lets time pass, as far as used tokens are concerned.
async fn pass(app: &TestApp, seconds: u32) {
    let sql = format!("UPDATE refresh_tokens SET rotated_at = rotated_at - interval '{seconds} seconds'");
    execute(app, &sql).await;
}

#[tokio::test]
async fn a_refresh_token_is_followed_by_another() {
    let app = TestApp::start().await;
    let session = log_in(&app).await;
    let tokens = refresh(&app, &session.refresh).await.expect(200);
    assert_eq!(tokens["token_type"], "bearer");
    assert_eq!(tokens["expires_in"], 900);
    let second = text(&tokens, "refresh_token");
    assert_ne!(second, session.refresh);
    let me = app.anonymous().with_token(&text(&tokens, "access_token")).get("/auth/me").await.expect(200);
    assert_eq!(me["email"], session.email);
    let third = successor(&app, &second).await;
    assert_eq!(BTreeSet::from([session.refresh, second, third]).len(), 3);
}

#[tokio::test]
async fn a_token_used_again_at_once_gives_the_same_successor() {
    let app = TestApp::start().await;
    let session = log_in(&app).await;
    let first = successor(&app, &session.refresh).await;
    pass(&app, 8).await;
    assert_eq!(successor(&app, &session.refresh).await, first);
    assert_eq!(execute(&app, "UPDATE refresh_tokens SET revoked_at = revoked_at").await, 2);
    successor(&app, &first).await;
}

#[tokio::test]
async fn eight_parallel_refreshes_on_three_replicas_agree() {
    let app = TestApp::start().await;
    let (second, third) = tokio::join!(app.replica(), app.replica());
    let session = log_in(&app).await;
    let replicas = [&app, &second, &third];
    let parallel = (0..8).map(|n| successor(replicas[n % 3], &session.refresh));
    let successors: BTreeSet<String> = futures::future::join_all(parallel).await.into_iter().collect();
    assert_eq!(successors.len(), 1);
    // The log-in's token and its one successor.
    assert_eq!(execute(&app, "UPDATE refresh_tokens SET revoked_at = revoked_at").await, 2);
    // Nobody is logged out.
    successor(&third, successors.first().unwrap()).await;
}

#[tokio::test]
async fn a_token_used_again_later_ends_its_whole_family() {
    let app = TestApp::start().await;
    let session = log_in(&app).await;
    let second = successor(&app, &session.refresh).await;
    let third = successor(&app, &second).await;
    let tokens = json!({"email": session.email, "password": super::PASSWORD});
    let elsewhere = app.anonymous().post("/auth/login", tokens).await.expect(200);

    pass(&app, 11).await;
    refresh(&app, &session.refresh).await.expect_problem(401, "refresh_token_reused");
    for token in [&session.refresh, &second, &third] {
        refresh(&app, token).await.expect_problem(401, "refresh_token_revoked");
    }
    // Another log-in of the same user is another family.
    successor(&app, &text(&elsewhere, "refresh_token")).await;
}

#[tokio::test]
async fn no_successor_slips_into_a_family_that_is_being_revoked() {
    let app = TestApp::start().await;
    for _ in 0..5 {
        let session = log_in(&app).await;
        let second = successor(&app, &session.refresh).await;
        pass(&app, 11).await;
        let (replayed, rotated) = tokio::join!(refresh(&app, &session.refresh), refresh(&app, &second));
        replayed.expect_problem(401, "refresh_token_reused");
        if rotated.status == 200 {
            let third = text(&rotated.expect(200), "refresh_token");
            refresh(&app, &third).await.expect_problem(401, "refresh_token_revoked");
        }
    }
}

#[tokio::test]
async fn logging_out_ends_the_family_and_is_always_204() {
    let app = TestApp::start().await;
    let session = log_in(&app).await;
    let second = successor(&app, &session.refresh).await;
    let log_out = async |token: &str| {
        app.anonymous().post("/auth/logout", json!({"refresh_token": token})).await.expect(204)
    };
    log_out("unknown").await;
    successor(&app, &second).await;
    log_out(&session.refresh).await;
    refresh(&app, &second).await.expect_problem(401, "refresh_token_revoked");
    log_out(&session.refresh).await;
}

#[tokio::test]
async fn unknown_and_expired_tokens_are_refused_and_swept() {
    let app = TestApp::start().await;
    let session = log_in(&app).await;
    let kept = log_in(&app).await;
    refresh(&app, "unknown").await.expect_problem(401, "invalid_refresh_token");
    // An access token is no refresh token, and the other way round.
    refresh(&app, &session.access).await.expect_problem(401, "invalid_refresh_token");
    let swapped = app.anonymous().with_token(&session.refresh);
    swapped.get("/auth/me").await.expect_problem(401, "invalid_token");
    let body = json!({"refresh_token": session.refresh, "extra": 1});
    app.anonymous().post("/auth/refresh", body).await.expect_wrong_field("extra");

    let expire = format!("UPDATE refresh_tokens SET expires_at = now() WHERE user_id = '{}'", session.id);
    execute(&app, &expire).await;
    refresh(&app, &session.refresh).await.expect_problem(401, "refresh_token_expired");
    assert_eq!(tandem::auth::delete_expired(app.core()).await.unwrap(), 1);
    assert_eq!(tandem::auth::delete_expired(app.core()).await.unwrap(), 0);
    refresh(&app, &session.refresh).await.expect_problem(401, "invalid_refresh_token");
    successor(&app, &kept.refresh).await;
}

#[tokio::test]
async fn a_session_lasts_as_long_as_configured() {
    let app = TestApp::with().env("TANDEM__AUTH__REFRESH_TOKEN_TTL_S", 3600).start().await;
    let session = log_in(&app).await;
    successor(&app, &session.refresh).await;
    let within = "UPDATE refresh_tokens SET expires_at = expires_at
         WHERE expires_at BETWEEN now() + interval '3590 seconds' AND now() + interval '3600 seconds'";
    assert_eq!(execute(&app, within).await, 2);
}

#[tokio::test]
async fn only_hashes_are_stored() {
    let app = TestApp::start().await;
    let session = log_in(&app).await;
    let second = successor(&app, &session.refresh).await;
    for token in [&session.refresh, &second] {
        let raw = URL_SAFE_NO_PAD.decode(token).unwrap();
        assert_eq!(raw.len(), 32);
        let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
        let sql = format!(
            "UPDATE refresh_tokens t SET id = id WHERE t::text LIKE '%{token}%' OR t::text LIKE '%{hex}%'
                OR encode(token_hash, 'escape') = '{token}'"
        );
        assert_eq!(execute(&app, &sql).await, 0);
        let sql = format!("UPDATE refresh_tokens SET id = id WHERE token_hash = sha256('{token}')");
        assert_eq!(execute(&app, &sql).await, 1);
    }
}
