//! API keys: made, shown once, used, limited, ended.

use axum::http::Method;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use super::routes::key;
use super::text;
use crate::support::TestApp;

async fn execute(app: &TestApp, sql: &str) -> u64 {
    app.core().execute_unprepared(sql).await.unwrap().rows_affected()
}

async fn last_use(app: &TestApp) -> Option<String> {
    let sql = "SELECT last_used_at::text FROM api_keys";
    let row = app.core().query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
    row.unwrap().try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn a_key_is_made_shown_once_listed_renamed_and_deleted() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body =
        json!({"name": "nightly import", "scopes": ["memory:write", "knowledge:write", "memory:write"]});
    let made = user.post("/auth/api-keys", body).await.expect(201);
    let (id, secret) = (text(&made, "id"), text(&made, "key"));
    assert!(secret.starts_with("tdm_") && secret.len() == 47, "{made}");
    assert_eq!(made["prefix"], secret[..12]);
    assert_eq!(made["scopes"], json!(["knowledge:write", "memory:write"]));
    assert!(made["expires_at"].is_null() && made["last_used_at"].is_null());

    let path = format!("/auth/api-keys/{id}");
    let listed = user.get("/auth/api-keys").await.expect(200);
    let read = user.get(&path).await.expect(200);
    assert_eq!(listed["items"], json!([read]));
    assert!(read.get("key").is_none() && !listed.to_string().contains(&secret[12..]));
    let renamed = user.patch(&path, json!({"name": "hourly import"})).await.expect(200);
    assert_eq!((&renamed["name"], &renamed["id"]), (&json!("hourly import"), &made["id"]));

    let program = user.with_token(&secret);
    program.post("/memories", json!({"content": "I sleep well"})).await.expect(201);
    assert_eq!(program.get("/auth/me").await.expect(200)["email"], user.email);
    user.delete(&path).await.expect(204);
    program.get("/auth/me").await.expect_problem(401, "invalid_api_key");
    user.delete(&path).await.expect_problem(404, "not_found");
    user.get(&path).await.expect_problem(404, "not_found");
}

#[tokio::test]
async fn only_the_hash_of_a_key_is_stored() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let secret = key(&user, &["chat:read"]).await.token.unwrap();
    let leaked = format!("UPDATE api_keys k SET id = id WHERE k::text LIKE '%{}%'", &secret[12..]);
    assert_eq!(execute(&app, &leaked).await, 0);
    let hashed = format!("UPDATE api_keys SET id = id WHERE key_hash = sha256('{secret}')");
    assert_eq!(execute(&app, &hashed).await, 1);
}

#[tokio::test]
async fn a_wrong_field_of_a_key_is_named() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let cases = [
        ("name", json!({"name": " ", "scopes": ["chat:read"]})),
        ("name", json!({"name": "x".repeat(101), "scopes": ["chat:read"]})),
        ("scopes", json!({"name": "x", "scopes": []})),
        ("scopes", json!({"name": "x", "scopes": vec!["chat:read"; 21]})),
        ("scopes[1]", json!({"name": "x", "scopes": ["chat:read", "chat:*"]})),
        ("scopes[0]", json!({"name": "x", "scopes": ["auth:write"]})),
        ("expires_at", json!({"name": "x", "scopes": ["chat:read"], "expires_at": "2001-01-01T00:00:00Z"})),
        ("expires_at", json!({"name": "x", "scopes": ["chat:read"], "expires_at": "tomorrow"})),
        ("owner", json!({"name": "x", "scopes": ["chat:read"], "owner": Uuid::now_v7()})),
    ];
    for (field, body) in cases {
        user.post("/auth/api-keys", body).await.expect_wrong_field(field);
    }
    assert_eq!(user.get("/auth/api-keys").await.expect(200)["items"], json!([]));
    let body = json!({"name": "x", "scopes": ["admin:read"]});
    user.post("/auth/api-keys", body).await.expect_problem(403, "admin_scope");
}

#[tokio::test]
async fn a_key_ends_with_its_time_and_rests_with_its_account() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let body = json!({"name": "x", "scopes": ["chat:read"], "expires_at": "2100-01-01T00:00:00Z"});
    let made = user.post("/auth/api-keys", body).await.expect(201);
    assert_eq!(made["expires_at"], "2100-01-01T00:00:00Z");
    let program = user.with_token(&text(&made, "key"));
    program.get("/chat/conversations").await.expect(200);

    execute(&app, "UPDATE users SET is_active = false").await;
    program.get("/chat/conversations").await.expect_problem(401, "account_disabled");
    execute(&app, "UPDATE users SET is_active = true").await;
    program.get("/chat/conversations").await.expect(200);
    execute(&app, "UPDATE api_keys SET expires_at = now()").await;
    program.get("/chat/conversations").await.expect_problem(401, "api_key_expired");
    execute(&app, "DELETE FROM users").await;
    program.get("/chat/conversations").await.expect_problem(401, "invalid_api_key");
}

#[tokio::test]
async fn a_key_has_the_role_its_user_has_now() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let program = key(&admin, &["admin:read", "admin:write"]).await;
    program.get("/admin/users").await.expect(200);
    execute(&app, "UPDATE users SET role = 'user'").await;
    program.get("/admin/users").await.expect_problem(403, "admin_only");
}

#[tokio::test]
async fn the_last_use_is_noted_at_most_once_a_minute() {
    let app = TestApp::start().await;
    let program = key(&app.user().await, &["chat:read"]).await;
    assert_eq!(last_use(&app).await, None);
    program.get("/chat/conversations").await.expect(200);
    let first = last_use(&app).await.expect("a time");
    program.get("/chat/conversations").await.expect(200);
    assert_eq!(last_use(&app).await, Some(first));
    execute(&app, "UPDATE api_keys SET last_used_at = now() - interval '61 seconds'").await;
    let before = last_use(&app).await;
    program.get("/chat/conversations").await.expect(200);
    assert_ne!(last_use(&app).await, before);
    // What is refused is no use.
    execute(&app, "UPDATE api_keys SET last_used_at = NULL").await;
    program.post("/chat/conversations", json!({})).await.expect_problem(403, "missing_scope");
    assert_eq!(last_use(&app).await, None);
}

#[tokio::test]
async fn keys_are_many_but_not_endless_and_come_in_pages() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let fill = format!(
        "INSERT INTO api_keys (id, user_id, name, prefix, key_hash, scopes)
         SELECT gen_random_uuid(), '{}', n::text, 'tdm_', sha256(n::text::bytea), '{{chat:read}}'
           FROM generate_series(1, 99) AS n",
        user.id
    );
    execute(&app, &fill).await;
    let body = json!({"name": "x", "scopes": ["chat:read"]});
    let parallel = (0..3).map(|_| user.post("/auth/api-keys", body.clone()));
    let answers = futures::future::join_all(parallel).await;
    let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 409, 409]);
    user.post("/auth/api-keys", body).await.expect_problem(409, "too_many_keys");

    let mut seen = 0;
    let mut path = "/auth/api-keys?limit=40".to_owned();
    loop {
        let page: Value = user.request(Method::GET, &path, None, &[]).await.expect(200);
        seen += page["items"].as_array().unwrap().len();
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/auth/api-keys?limit=40&cursor={cursor}");
    }
    assert_eq!(seen, 100);
}
