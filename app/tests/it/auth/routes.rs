//! Every route, asked by everyone who must not be served.
//!
//! Generated from the OpenAPI document: a new route is asked without being
//! named here, and fails until it has what it needs: its scope in [`scope_of`],
//! and, if its path holds an id, a row in [`row_of`] and a body in [`body_of`].

use axum::http::Method;
use jsonwebtoken::{Algorithm, get_current_timestamp};
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use tandem::router::{BASE, PUBLIC};
use uuid::Uuid;

use super::access::{claims, real_key, sign, with};
use super::text;
use crate::portfolio::{self, contribution};
use crate::support::TestApp;
use crate::support::response::TestResponse;
use crate::support::user::TestUser;
use crate::{portfolio_import, target_prices};

/// Every scope an API key can have.
const SCOPES: [&str; 10] = [
    "admin:read",
    "admin:write",
    "chat:read",
    "chat:write",
    "knowledge:read",
    "knowledge:write",
    "memory:read",
    "memory:write",
    "portfolio:read",
    "portfolio:write",
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct Operation {
    method: Method,
    /// As in the document.
    template: String,
}

impl Operation {
    fn is_public(&self) -> bool {
        PUBLIC.contains(&self.template.as_str())
    }

    fn is_templated(&self) -> bool {
        self.template.contains("{id}")
    }

    fn is_admin(&self) -> bool {
        self.template.starts_with(&format!("{BASE}/admin/"))
    }

    /// The path with this id in it.
    fn path(&self, id: &str) -> String {
        // Where two ids stand in a path, `row_of` gives both.
        let (id, inner) = id.split_once('/').unwrap_or((id, id));
        let path = self
            .template
            .replace("{id}", id)
            .replace("{run}", id)
            .replace("{change_id}", inner)
            .replace("{reader_id}", inner);
        path.replace("{call_id}", "call_1").replace("{symbol}", "SPY")
    }

    /// Somebody asks, about a row that does not exist if there is one in the path.
    async fn ask(&self, user: &TestUser) -> TestResponse {
        let path = self.path(&Uuid::now_v7().to_string());
        user.request(self.method.clone(), &path, Some(json!({})), &[]).await
    }
}

/// Every operation of the document.
fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(tandem::router::openapi()).unwrap();
    let mut operations = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods.as_object().unwrap().keys() {
            let method: Method = method.to_uppercase().parse().unwrap();
            if [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE].contains(&method) {
                operations.push(Operation { method, template: path.clone() });
            }
        }
    }
    assert!(operations.len() >= 40, "the document names only {} operations", operations.len());
    operations
}

fn closed() -> impl Iterator<Item = Operation> {
    operations().into_iter().filter(|operation| !operation.is_public())
}

/// Makes a row of `owner` for the `{id}` of a path; its id.
async fn row_of(app: &TestApp, owner: &TestUser, template: &str) -> String {
    match template.strip_prefix(BASE).unwrap_or(template) {
        "/auth/api-keys/{id}" => {
            let body = json!({"name": "a program", "scopes": ["chat:read"]});
            text(&owner.post("/auth/api-keys", body).await.expect(201), "id")
        }
        "/chat/conversations/{id}"
        | "/chat/conversations/{id}/export"
        | "/chat/conversations/{id}/messages"
        | "/chat/conversations/{id}/send" => owner.conversation().await,
        "/characters/{id}" => {
            let body =
                json!({"slug": format!("c-{}", Uuid::now_v7()), "name": "Ada", "system_prompt": "Be Ada."});
            text(&owner.post("/characters", body).await.expect(201), "id")
        }
        "/personas/{id}" => {
            text(&owner.post("/personas", json!({"name": Uuid::now_v7()})).await.expect(201), "id")
        }
        "/chat/messages/{id}/stream"
        | "/chat/messages/{id}/stream-ticket"
        | "/chat/messages/{id}/cancel"
        | "/chat/messages/{id}/regenerate" => {
            let conversation = owner.conversation().await;
            let answer = owner.ask(&conversation, "What is beta?").await.expect(200);
            text(&answer, "assistant_message_id")
        }
        "/chat/messages/{id}/tool-calls/{call_id}/approve"
        | "/chat/messages/{id}/tool-calls/{call_id}/deny" => waiting_call(app, owner).await,
        "/chat/messages/{id}/feedback" => {
            let conversation = owner.conversation().await;
            let answer = owner.ask(&conversation, "What is beta?").await.expect(200);
            let id = text(&answer, "assistant_message_id");
            owner.put(&format!("/chat/messages/{id}/feedback"), json!({"rating": "up"})).await.expect(200);
            id
        }
        "/knowledge/sources/{id}" => {
            let body = json!({"title": Uuid::now_v7(), "text": "Only its owner reads this."});
            let id = text(&owner.post("/knowledge/sources", body).await.expect(202), "id");
            app.run_jobs().await;
            id
        }
        "/knowledge/sources/{id}/retry" => {
            let body = json!({"title": Uuid::now_v7(), "text": "Nobody could read this."});
            let id = text(&owner.post("/knowledge/sources", body).await.expect(202), "id");
            let failed = format!("UPDATE ai_kb_sources SET status = 'failed' WHERE id = '{id}'");
            app.ai().execute_unprepared(&failed).await.unwrap();
            id
        }
        path if path.starts_with("/knowledge/collections/{id}") => collection_row(app, owner, path).await,
        "/memories/{id}" => {
            let body = json!({"content": format!("I am {}", Uuid::now_v7())});
            text(&owner.post("/memories", body).await.expect(201), "id")
        }
        path if PORTFOLIO_PATHS.iter().any(|begin| path.starts_with(begin)) => {
            portfolio_row(app, owner).await
        }
        "/v1/responses/{id}" | "/v1/responses/{id}/cancel" | "/v1/responses/{id}/input_items" => {
            let body = json!({"model": "extractive", "input": "What is beta?"});
            text(&owner.post("/v1/responses", body).await.expect(200), "id")
        }
        path if path.starts_with("/target-prices/") => target_prices::row_of(owner, path).await,
        path => portfolio::row_of(owner, path).await.unwrap_or_else(|| {
            panic!("{template} has no case: make a row of `owner` here and answer its id")
        }),
    }
}

/// A message of the owner's, as if it were still being written and a call waited.
async fn waiting_call(app: &TestApp, owner: &TestUser) -> String {
    let conversation = owner.conversation().await;
    let answer = owner.ask(&conversation, "What is beta?").await.expect(200);
    let id = text(&answer, "assistant_message_id");
    for sql in [
        format!(
            "UPDATE messages SET status = 'streaming', lease_owner = '{id}', lease_expires_at = now() + interval '1 hour' WHERE id = '{id}'"
        ),
        format!(
            "INSERT INTO tool_approvals (message_id, call_id, expires_at) VALUES ('{id}', 'call_1', now() + interval '1 hour')"
        ),
    ] {
        app.core().execute_unprepared(&sql).await.unwrap();
    }
    id
}

/// What bodies name: a user of the owner's tenant, and a source of the owner's.
const READER: &str = "0198c0de-0000-7000-8000-00000000c011";
const SOURCE: &str = "0198c0de-0000-7000-8000-00000000c012";

/// A collection; where its path names a reader too, one with whom it is shared.
async fn collection_row(app: &TestApp, owner: &TestUser, path: &str) -> String {
    let id =
        text(&owner.post("/knowledge/collections", json!({"name": Uuid::now_v7()})).await.expect(201), "id");
    let reader = format!(
        "INSERT INTO users (id, tenant_id, email, password_hash, role)
         SELECT '{READER}', tenant_id, 'reader@example.com', 'none', 'user' FROM users WHERE id = '{}'
         ON CONFLICT DO NOTHING",
        owner.id
    );
    app.core().execute_unprepared(&reader).await.unwrap();
    let source = format!(
        "INSERT INTO ai_kb_sources (id, owner_id, scope, title, media_type, content, content_hash, status)
         VALUES ('{SOURCE}', '{}', 'user', 'T', 'text/plain', 'x', '', 'ready') ON CONFLICT DO NOTHING",
        owner.id
    );
    app.ai().execute_unprepared(&source).await.unwrap();
    if !path.ends_with("{reader_id}") {
        return id;
    }
    let share = json!({"user_id": READER});
    owner.post(&format!("/knowledge/collections/{id}/readers"), share).await.expect(200);
    format!("{id}/{READER}")
}

/// Paths whose id is a portfolio's.
const PORTFOLIO_PATHS: [&str; 6] = [
    "/analytics/portfolio/",
    "/data/portfolio/",
    "/data/positions/top/",
    "/data/prices/historical/",
    "/portfolios/{id}/calculate",
    "/portfolios/{id}/batch-status/",
];

/// A portfolio, and a run of it that has its id.
async fn portfolio_row(app: &TestApp, owner: &TestUser) -> String {
    let id = Uuid::now_v7();
    let sql = format!(
        "INSERT INTO portfolios (id, user_id, name, account_name) VALUES ('{id}', '{}', 'One', '{id}');
         INSERT INTO batch_run_history (id, portfolio_id, triggered_by) VALUES ('{id}', '{id}', 'user')",
        owner.id
    );
    app.core().execute_unprepared(&sql).await.unwrap();
    id.to_string()
}

/// A body with which the operation succeeds for the owner of its row.
fn body_of(operation: &Operation) -> Option<Value> {
    let path = operation.template.strip_prefix(BASE).unwrap_or(&operation.template);
    match (operation.method.as_str(), path) {
        ("GET" | "DELETE", _)
        | (
            "POST",
            "/chat/messages/{id}/stream-ticket"
            | "/chat/messages/{id}/cancel"
            | "/chat/messages/{id}/regenerate"
            | "/chat/messages/{id}/tool-calls/{call_id}/approve"
            | "/chat/messages/{id}/tool-calls/{call_id}/deny"
            | "/knowledge/sources/{id}/retry"
            | "/portfolios/{id}/calculate"
            | "/tags/{id}/archive"
            | "/tags/{id}/restore"
            | "/v1/responses/{id}/cancel",
        ) => None,
        ("PATCH", "/chat/conversations/{id}") => Some(json!({"title": "another title"})),
        ("PATCH", "/knowledge/sources/{id}") => Some(json!({"metadata": {"read": true}})),
        ("PATCH", "/knowledge/collections/{id}") => Some(json!({"description": "for the others"})),
        ("POST", "/knowledge/collections/{id}/sources") => Some(json!({"source_ids": [SOURCE]})),
        ("POST", "/knowledge/collections/{id}/readers") => Some(json!({"user_id": READER})),
        ("PATCH", "/auth/api-keys/{id}" | "/characters/{id}" | "/personas/{id}" | "/tags/{id}")
        | ("PATCH" | "PUT", "/portfolios/{id}") => Some(json!({"name": "another name"})),
        ("POST", "/portfolios/{id}/equity-changes") => Some(contribution()),
        ("PUT", "/portfolios/{id}/equity-changes/{change_id}") => Some(json!({"amount": 7})),
        ("PATCH" | "PUT", "/positions/{id}") => Some(json!({"notes": "another note"})),
        ("POST", "/positions/{id}/close") => Some(json!({"exit_price": 3})),
        ("PUT", "/positions/{id}/valuations") => {
            Some(json!({"valuation_date": portfolio::ENTERED, "price": 12.5}))
        }
        ("POST" | "PATCH", "/positions/{id}/tags" | "/positions/{id}/tags/remove") => {
            Some(json!({"tag_ids": []}))
        }
        ("POST", "/portfolios/{id}/import") => Some(portfolio_import::activities()),
        (_, path) if path.starts_with("/target-prices/") => Some(target_prices::body_of(path)),
        ("POST", "/chat/conversations/{id}/send") => Some(json!({"content": "What is beta?"})),
        ("PUT" | "POST", "/chat/messages/{id}/feedback") => Some(json!({"rating": "down"})),
        ("PATCH", "/memories/{id}") => Some(json!({"content": "I am somebody else"})),
        (method, _) => panic!("{method} {path} has no case: give a body here"),
    }
}

/// Whether any key opens it: what it may do there is decided later.
fn is_free(operation: &Operation) -> bool {
    operation.template.ends_with("/auth/me") && operation.method == Method::GET
        || operation.template == "/mcp"
}

/// The scope an API key needs for an operation; none: no key will do.
fn scope_of(operation: &Operation) -> Option<&'static str> {
    let path = operation.template.strip_prefix(BASE).unwrap_or(&operation.template);
    let reads = operation.method == Method::GET || path.ends_with("/search");
    let area = path.split('/').nth(1).unwrap();
    match (area, reads) {
        ("admin", true) => Some("admin:read"),
        ("admin", false) => Some("admin:write"),
        ("auth" | "mcp", _) => None,
        // `v1` is the face of OpenAI's clients.
        ("chat" | "characters" | "personas" | "v1", true) => Some("chat:read"),
        ("chat" | "characters" | "personas" | "v1", false) => Some("chat:write"),
        ("knowledge", true) => Some("knowledge:read"),
        ("knowledge", false) => Some("knowledge:write"),
        ("memories", true) => Some("memory:read"),
        ("memories", false) => Some("memory:write"),
        (
            "analytics" | "data" | "equity-search" | "fundamentals" | "portfolios" | "positions" | "tags"
            | "target-prices",
            true,
        ) => Some("portfolio:read"),
        (
            "analytics" | "data" | "equity-search" | "fundamentals" | "portfolios" | "positions" | "tags"
            | "target-prices",
            false,
        ) => Some("portfolio:write"),
        _ => panic!("{path} has no case: which scope does an API key need?"),
    }
}

/// An API key of the user.
pub(super) async fn key(user: &TestUser, scopes: &[&str]) -> TestUser {
    let body = json!({"name": "a program", "scopes": scopes});
    let made = user.post("/auth/api-keys", body).await.expect(201);
    user.with_token(&text(&made, "key"))
}

#[tokio::test]
async fn every_closed_route_refuses_who_has_no_valid_credentials() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let signing_key = real_key(&app);
    let expired = with(&claims(user.id), "exp", json!(get_current_timestamp() - 60));
    let disabled = app.user().await;
    let disabled_key = key(&disabled, &SCOPES[2..]).await;
    let deleted = app.user().await;
    let expired_key = key(&user, &["chat:read"]).await;
    for sql in [
        format!("UPDATE users SET is_active = false WHERE id = '{}'", disabled.id),
        format!("DELETE FROM users WHERE id = '{}'", deleted.id),
        format!("UPDATE api_keys SET expires_at = now() WHERE user_id = '{}'", user.id),
    ] {
        app.core().execute_unprepared(&sql).await.unwrap();
    }
    let forged =
        user.with_token(&sign(Algorithm::HS256, b"another key of some length......", &claims(user.id)));
    let strangers = [
        (app.anonymous(), "missing_token"),
        (forged, "invalid_token"),
        (user.with_token(&sign(Algorithm::HS256, &signing_key, &expired)), "expired_token"),
        (disabled, "account_disabled"),
        (disabled_key, "account_disabled"),
        (deleted, "invalid_token"),
        (user.with_token("tdm_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "invalid_api_key"),
        (expired_key, "api_key_expired"),
    ];
    for operation in closed() {
        for (stranger, code) in &strangers {
            let answer = operation.ask(stranger).await;
            assert_eq!(answer.status, 401, "{operation:?} {code}: {}", answer.body);
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
            answer.expect_refusal(401, code);
        }
    }
}

#[tokio::test]
async fn a_row_of_somebody_else_is_404_on_every_route() {
    let app = TestApp::start().await;
    let (owner, stranger, admin) = (app.user().await, app.user().await, app.admin().await);
    let mut asked = 0;
    for operation in closed().filter(|operation| operation.is_templated() && !operation.is_admin()) {
        let path = operation.path(&row_of(&app, &owner, &operation.template).await);
        let body = body_of(&operation);
        let ask =
            async |user: &TestUser| user.request(operation.method.clone(), &path, body.clone(), &[]).await;
        for other in [&stranger, &admin] {
            let detail = ask(other).await.expect_refusal(404, "not_found");
            assert_ne!(detail, "route not found", "{operation:?}");
        }
        // The row was there, and stayed: this could have failed.
        let answer = ask(&owner).await;
        assert!((200..300).contains(&answer.status), "{operation:?} by its owner: {}", answer.body);
        asked += 1;
    }
    assert!(asked >= 12, "only {asked} operations");
}

/// Where a row is named in the body instead of the path.
#[tokio::test]
async fn a_row_of_somebody_else_named_in_a_body_is_404() {
    let app = TestApp::start().await;
    let (owner, stranger) = (app.user().await, app.user().await);
    let conversation = owner.conversation().await;
    let body = json!({"conversation_id": conversation, "text": "What is beta?"});
    stranger.post("/chat/send", body.clone()).await.expect_problem(404, "not_found");
    assert_eq!(owner.post("/chat/send", body).await.status, 200);
}

#[tokio::test]
async fn every_admin_route_is_for_administrators() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let mut asked = 0;
    for operation in closed().filter(Operation::is_admin) {
        let answer = operation.ask(&user).await;
        assert_eq!(answer.status, 403, "{operation:?}: {}", answer.body);
        answer.expect_problem(403, "admin_only");
        asked += 1;
    }
    assert!(asked >= 6, "only {asked} operations");
}

#[tokio::test]
async fn an_api_key_opens_only_what_its_scopes_name() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    let all = key(&admin, &SCOPES).await;
    let mut keys = Vec::new();
    for scope in SCOPES {
        let others: Vec<&str> = SCOPES.into_iter().filter(|other| *other != scope).collect();
        keys.push((scope, key(&admin, &[scope]).await, key(&admin, &others).await));
    }
    for operation in closed() {
        let Some(scope) = scope_of(&operation) else {
            let answer = operation.ask(&all).await;
            if is_free(&operation) {
                assert!(![401, 403].contains(&answer.status), "{operation:?}: {}", answer.body);
            } else {
                assert_eq!(answer.status, 403, "{operation:?}: {}", answer.body);
                answer.expect_refusal(403, "key_not_allowed");
            }
            continue;
        };
        let (_, with_scope, without_scope) = keys.iter().find(|(name, ..)| *name == scope).unwrap();
        let refused = operation.ask(without_scope).await;
        assert_eq!(refused.status, 403, "{operation:?}: {}", refused.body);
        let said = refused.expect_refusal(403, "missing_scope");
        assert!(said.ends_with(scope), "{said}");
        let allowed = operation.ask(with_scope).await;
        assert!(![401, 403].contains(&allowed.status), "{operation:?}: {}", allowed.body);
    }
}

/// No path is hidden behind another one: `/memories/search` is no memory.
#[tokio::test]
async fn every_documented_route_is_reachable() {
    let app = TestApp::start().await;
    let admin = app.admin().await;
    for operation in operations() {
        let answer = operation.ask(&admin).await;
        assert_ne!(answer.status, 405, "{operation:?}");
        assert!(answer.status < 500, "{operation:?}: {}", answer.body);
        assert!(!answer.body.contains("route not found"), "{operation:?}");
        if !operation.is_templated() {
            assert!(
                !answer.body.contains("\"field\":\"path\""),
                "{operation:?} is taken for an id: {}",
                answer.body
            );
        }
    }
}
