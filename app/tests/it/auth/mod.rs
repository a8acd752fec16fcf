//! Accounts, tokens and the gate in front of every route.

mod access;
mod accounts;
mod administration;
mod api_keys;
mod cors;
mod gate;
mod invitations;
mod refresh;
mod routes;
mod setup;
mod throttle;

use serde_json::{Value, json};

use crate::support::TestApp;

const PASSWORD: &str = "correct horse battery";

/// A session begun by registering and logging in.
struct Session {
    id: String,
    email: String,
    access: String,
    refresh: String,
}

async fn register(app: &TestApp) -> (String, String) {
    let email = format!("{}@example.com", uuid::Uuid::now_v7().simple());
    let body = json!({"email": email, "password": PASSWORD});
    let user = app.anonymous().post("/auth/register", body).await.expect(201);
    (text(&user, "id"), email)
}

async fn log_in(app: &TestApp) -> Session {
    let (id, email) = register(app).await;
    let body = json!({"email": email, "password": PASSWORD});
    let tokens = app.anonymous().post("/auth/login", body).await.expect(200);
    let (access, refresh) = (text(&tokens, "access_token"), text(&tokens, "refresh_token"));
    Session { id, email, access, refresh }
}

fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_else(|| panic!("no {field} in {body}")).to_owned()
}
