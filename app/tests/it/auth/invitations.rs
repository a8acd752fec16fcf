//! Registering by invitation.

use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PASSWORD, text};
use crate::support::TestApp;
use crate::support::response::TestResponse;
use crate::support::user::TestUser;

async fn by_invitation() -> (TestApp, TestUser) {
    let app = TestApp::with().env("REGISTRATION", "invite").start().await;
    let admin = app.admin().await;
    (app, admin)
}

async fn invited(admin: &TestUser, body: Value) -> String {
    text(&admin.post("/admin/invitations", body).await.expect(201), "token")
}

async fn register(app: &TestApp, email: &str, invitation: Option<&str>) -> TestResponse {
    let body = json!({"email": email, "password": PASSWORD, "invitation": invitation});
    app.anonymous().post("/auth/register", body).await
}

async fn execute(app: &TestApp, sql: &str) {
    app.core().execute_unprepared(sql).await.unwrap();
}

#[tokio::test]
async fn an_invitation_lets_one_person_register_once() {
    let (app, admin) = by_invitation().await;
    let body = json!({"email": "a@example.com", "password": PASSWORD});
    app.anonymous().post("/auth/register", body).await.expect_problem(403, "invitation_required");
    register(&app, "a@example.com", Some("guessed")).await.expect_problem(403, "invitation_invalid");

    let made = admin.post("/admin/invitations", json!({})).await.expect(201);
    let token = text(&made, "token");
    assert_eq!((&made["role"], &made["invited_by"]), (&json!("user"), &json!(admin.id)));
    let user = register(&app, "a@example.com", Some(&token)).await.expect(201);
    assert_eq!(user["role"], "user");
    register(&app, "b@example.com", Some(&token)).await.expect_problem(403, "invitation_used");
    let listed = admin.get("/admin/invitations").await.expect(200);
    assert_eq!(listed["items"][0]["accepted_by"], user["id"]);
    assert!(listed["items"][0].get("token").is_none() && !listed.to_string().contains(&token));
    // Only its hash is kept.
    let hashed = format!("UPDATE invitations SET id = id WHERE token_hash = sha256('{token}')");
    assert_eq!(app.core().execute_unprepared(&hashed).await.unwrap().rows_affected(), 1);
}

#[tokio::test]
async fn an_invitation_is_for_its_address_and_role_and_time() {
    let (app, admin) = by_invitation().await;
    let body = json!({"email": " Boss@Example.com ", "role": "admin", "expires_in_s": 3600});
    let token = invited(&admin, body).await;
    register(&app, "other@example.com", Some(&token))
        .await
        .expect_problem(403, "invitation_for_another_email");
    let boss = register(&app, "BOSS@example.com", Some(&token)).await.expect(201);
    assert_eq!(boss["role"], "admin");

    let late = invited(&admin, json!({"expires_in_s": 60})).await;
    execute(&app, "UPDATE invitations SET expires_at = now() WHERE accepted_at IS NULL").await;
    register(&app, "late@example.com", Some(&late)).await.expect_problem(403, "invitation_expired");
    for (field, body) in [
        ("expires_in_s", json!({"expires_in_s": 59})),
        ("expires_in_s", json!({"expires_in_s": 2_592_001})),
        ("email", json!({"email": "nobody"})),
        ("role", json!({"role": "owner"})),
        ("token", json!({"token": "mine"})),
    ] {
        admin.post("/admin/invitations", body).await.expect_wrong_field(field);
    }
}

#[tokio::test]
async fn a_failed_registration_leaves_the_invitation_as_it_was() {
    let (app, admin) = by_invitation().await;
    let token = invited(&admin, json!({})).await;
    register(&app, &admin.email, Some(&token)).await.expect_problem(409, "email_taken");
    let body = json!({"email": "a@example.com", "password": "short", "invitation": token});
    app.anonymous().post("/auth/register", body).await.expect_wrong_field("password");
    register(&app, "a@example.com", Some(&token)).await.expect(201);
}

#[tokio::test]
async fn eight_at_once_with_one_invitation_make_one_account() {
    let (app, admin) = by_invitation().await;
    let token = invited(&admin, json!({})).await;
    let emails: Vec<String> = (0..8).map(|n| format!("{n}@example.com")).collect();
    let parallel = emails.iter().map(|email| register(&app, email, Some(&token)));
    let answers = futures::future::join_all(parallel).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 201).count(), 1);
    for answer in answers.into_iter().filter(|answer| answer.status != 201) {
        answer.expect_problem(403, "invitation_used");
    }
}

#[tokio::test]
async fn an_invitation_ends_when_it_is_taken_back_or_its_giver_falls() {
    let (app, admin) = by_invitation().await;
    let other = app.admin().await;
    let made = admin.post("/admin/invitations", json!({})).await.expect(201);
    let path = format!("/admin/invitations/{}", text(&made, "id"));
    other.delete(&path).await.expect(204);
    other.delete(&path).await.expect_problem(404, "not_found");
    let token = text(&made, "token");
    register(&app, "a@example.com", Some(&token)).await.expect_problem(403, "invitation_invalid");

    let token = invited(&admin, json!({"role": "admin"})).await;
    let demotion = json!({"role": "user"});
    other.patch(&format!("/admin/users/{}", admin.id), demotion).await.expect(200);
    register(&app, "a@example.com", Some(&token)).await.expect_problem(403, "invitation_invalid");
    execute(&app, &format!("DELETE FROM users WHERE id = '{}'", admin.id)).await;
    register(&app, "a@example.com", Some(&token)).await.expect_problem(403, "invitation_invalid");
}

#[tokio::test]
async fn open_registration_needs_none_and_closed_takes_none() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    register(&app, "a@example.com", None).await.expect(201);
    // Given all the same, it counts.
    let token = invited(&admin, json!({"role": "admin"})).await;
    assert_eq!(register(&app, "b@example.com", Some(&token)).await.expect(201)["role"], "admin");
    register(&app, "c@example.com", Some(&token)).await.expect_problem(403, "invitation_used");

    let app = TestApp::with().env("REGISTRATION", "closed").start().await;
    let admin = app.admin().await;
    admin.post("/admin/invitations", json!({})).await.expect_problem(409, "registration_closed");
    register(&app, "a@example.com", Some("any")).await.expect_problem(403, "registration_closed");
}

#[tokio::test]
async fn invitations_are_bounded_listed_in_pages_and_swept() {
    let (app, admin) = by_invitation().await;
    let fill = format!(
        "INSERT INTO invitations (id, token_hash, invited_by, expires_at)
         SELECT gen_random_uuid(), sha256(n::text::bytea), '{}', now() + interval '1 day'
           FROM generate_series(1, 1000) AS n",
        admin.id
    );
    execute(&app, &fill).await;
    admin.post("/admin/invitations", json!({})).await.expect_problem(409, "too_many_invitations");
    let page = admin.get("/admin/invitations?limit=200").await.expect(200);
    assert_eq!(page["items"].as_array().unwrap().len(), 200);
    let next = format!("/admin/invitations?limit=200&cursor={}", text(&page, "next_cursor"));
    let next = admin.get(&next).await.expect(200);
    assert_ne!(next["items"][0]["id"], page["items"][0]["id"]);

    execute(&app, "UPDATE invitations SET expires_at = now() - interval '29 days'").await;
    assert_eq!(tandem::auth::delete_expired(app.core()).await.unwrap(), 0);
    execute(&app, "UPDATE invitations SET expires_at = now() - interval '31 days'").await;
    assert_eq!(tandem::auth::delete_expired(app.core()).await.unwrap(), 1000);
    admin.delete(&format!("/admin/invitations/{}", Uuid::now_v7())).await.expect_problem(404, "not_found");
}
