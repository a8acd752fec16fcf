//! Accounts in the hands of administrators.

use entity::core::user;
use sea_orm::{ConnectionTrait, EntityTrait};
use serde_json::json;
use tandem::auth;
use uuid::Uuid;

use super::routes::key;
use super::{PASSWORD, log_in, text};
use crate::support::TestApp;

#[tokio::test]
async fn accounts_are_listed_found_and_read() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let mut users = Vec::new();
    for _ in 0..4 {
        users.push(app.user().await);
    }
    let first = admin.get("/admin/users?limit=3").await.expect(200);
    let second = format!("/admin/users?limit=3&cursor={}", text(&first, "next_cursor"));
    let second = admin.get(&second).await.expect(200);
    let ids: Vec<_> = [&first, &second]
        .iter()
        .flat_map(|page| page["items"].as_array().unwrap())
        .map(|row| row["id"].clone())
        .collect();
    let made: Vec<_> =
        std::iter::once(admin.id).chain(users.iter().map(|user| user.id)).map(|id| json!(id)).collect();
    assert_eq!(ids, made, "oldest first, each once");
    assert!(second.get("next_cursor").is_none_or(serde_json::Value::is_null));

    let found = format!("/admin/users?q={}", users[2].email[..20].to_uppercase());
    let found = admin.get(&found).await.expect(200);
    assert!(found["items"].as_array().unwrap().iter().any(|row| row["id"] == json!(users[2].id)));
    assert_eq!(admin.get("/admin/users?q=%25").await.expect(200)["items"], json!([]), "no wildcard");
    let read = admin.get(&format!("/admin/users/{}", users[2].id)).await.expect(200);
    assert_eq!((&read["email"], &read["is_active"]), (&json!(users[2].email), &json!(true)));
    assert!(!read.to_string().contains("argon2"));
    admin.get(&format!("/admin/users/{}", Uuid::now_v7())).await.expect_problem(404, "not_found");
    admin.get("/admin/users?limit=201").await.expect_wrong_field("limit");
    admin.get("/admin/users?page=2").await.expect_wrong_field("page");
}

#[tokio::test]
async fn disabling_shuts_every_door_at_once_and_enabling_opens_no_old_one() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let session = log_in(&app).await;
    let user = app.anonymous().with_token(&session.access);
    let program = key(&user, &["chat:read"]).await;
    program.get("/chat/conversations").await.expect(200);
    let path = format!("/admin/users/{}", session.id);

    let disabled = admin.patch(&path, json!({"is_active": false})).await.expect(200);
    assert_eq!(disabled["is_active"], false);
    user.get("/auth/me").await.expect_problem(401, "account_disabled");
    program.get("/chat/conversations").await.expect_problem(401, "account_disabled");
    let refresh = json!({"refresh_token": session.refresh});
    app.anonymous().post("/auth/refresh", refresh.clone()).await.expect_problem(401, "account_disabled");
    let again = json!({"email": session.email, "password": PASSWORD});
    app.anonymous().post("/auth/login", again.clone()).await.expect_problem(401, "account_disabled");

    admin.patch(&path, json!({"is_active": true})).await.expect(200);
    app.anonymous().post("/auth/refresh", refresh).await.expect_problem(401, "refresh_token_revoked");
    program.get("/chat/conversations").await.expect(200);
    app.anonymous().post("/auth/login", again).await.expect(200);
}

#[tokio::test]
async fn a_role_counts_from_the_next_request_and_a_name_can_go() {
    let app = TestApp::start().await;
    let (admin, user) = (app.admin().await, app.user().await);
    let path = format!("/admin/users/{}", user.id);
    user.get("/admin/users").await.expect_problem(403, "admin_only");
    let body = json!({"role": "admin", "full_name": "Ada"});
    let changed = admin.patch(&path, body).await.expect(200);
    assert_eq!((&changed["role"], &changed["full_name"]), (&json!("admin"), &json!("Ada")));
    user.get("/admin/users").await.expect(200);
    assert_eq!(admin.patch(&path, json!({})).await.expect(200)["full_name"], "Ada", "absent stays");
    let changed = admin.patch(&path, json!({"role": "user", "full_name": null})).await.expect(200);
    assert_eq!((&changed["role"], &changed["full_name"]), (&json!("user"), &json!(null)));
    user.get("/admin/users").await.expect_problem(403, "admin_only");
    for (field, body) in [
        ("role", json!({"role": "root"})),
        ("is_active", json!({"is_active": "no"})),
        ("full_name", json!({"full_name": " "})),
        ("email", json!({"email": "another@example.com"})),
    ] {
        admin.patch(&path, body).await.expect_wrong_field(field);
    }
    let nobody = format!("/admin/users/{}", Uuid::now_v7());
    admin.patch(&nobody, json!({"role": "user"})).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let path = format!("/admin/users/{}", admin.id);
    for body in [json!({"is_active": false}), json!({"role": "user"})] {
        admin.patch(&path, body).await.expect_problem(409, "last_admin");
    }
    // A disabled one is none.
    let other = app.admin().await;
    admin.patch(&format!("/admin/users/{}", other.id), json!({"is_active": false})).await.expect(200);
    admin.patch(&path, json!({"role": "user"})).await.expect_problem(409, "last_admin");
    admin.patch(&format!("/admin/users/{}", other.id), json!({"is_active": true})).await.expect(200);
    admin.patch(&path, json!({"role": "user"})).await.expect(200);
}

#[tokio::test]
async fn two_administrators_cannot_remove_each_other() {
    let app = TestApp::start().await;
    let (one, other) = (app.admin().await, app.admin().await);
    for round in 0..10 {
        let change = if round % 2 == 0 { json!({"role": "user"}) } else { json!({"is_active": false}) };
        let (first, second) = (format!("/admin/users/{}", other.id), format!("/admin/users/{}", one.id));
        tokio::join!(one.patch(&first, change.clone()), other.patch(&second, change));
        let left = "UPDATE users SET id = id WHERE role = 'admin' AND is_active";
        let left = app.core().execute_unprepared(left).await.unwrap().rows_affected();
        assert_eq!(left, 1, "round {round}");
        app.core().execute_unprepared("UPDATE users SET role = 'admin', is_active = true").await.unwrap();
    }
}

/// A log-in that checked the old password must not begin a session that the
/// new password would have ended.
#[tokio::test]
async fn no_session_begins_with_a_password_that_is_being_replaced() {
    let app = TestApp::start().await;
    let (_, email) = super::register(&app).await;
    // Somebody is replacing the password: written, not yet committed.
    let tx = app.core().begin().await.unwrap();
    let replace = format!("UPDATE users SET password_hash = 'another' WHERE email = '{email}'");
    tx.execute_unprepared(&replace).await.unwrap();
    let body = json!({"email": email, "password": PASSWORD});
    let client = app.anonymous();
    let log_in = tokio::spawn(async move { client.post("/auth/login", body).await });
    // The log-in has checked the old password and waits for the row.
    let waiting = "SELECT 1 FROM pg_stat_activity
                    WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%users%'";
    let core = app.core();
    let waits = crate::chat::eventually(|| async move {
        core.execute_unprepared(waiting).await.unwrap().rows_affected() > 0
    });
    assert!(waits.await, "the log-in did not wait");
    tx.commit().await.unwrap();
    log_in.await.unwrap().expect_problem(401, "invalid_credentials");
    let sessions = app.core().execute_unprepared("UPDATE refresh_tokens SET id = id").await.unwrap();
    assert_eq!(sessions.rows_affected(), 0);

    // And with the real thing, whoever is faster.
    let (_, email) = super::register(&app).await;
    let body = json!({"email": email, "password": PASSWORD});
    let new = auth::generate_password();
    let client = app.anonymous();
    let (_, set) =
        tokio::join!(client.post("/auth/login", body), auth::set_password(app.core(), &email, new));
    set.unwrap();
    let alive = "UPDATE refresh_tokens SET id = id WHERE revoked_at IS NULL";
    assert_eq!(app.core().execute_unprepared(alive).await.unwrap().rows_affected(), 0);
}

#[tokio::test]
async fn a_password_hash_cannot_be_printed() {
    let app = TestApp::start().await;
    app.user().await;
    let row = user::Entity::find().one(app.core()).await.unwrap().unwrap();
    assert!(row.password_hash.0.starts_with("$argon2id$"));
    for printed in
        [format!("{row:?}"), format!("{row:#?}"), format!("{:?}", user::ActiveModel::from(row.clone()))]
    {
        assert!(!printed.contains("argon2") && printed.contains("hidden"), "{printed}");
    }
}
