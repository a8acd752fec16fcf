//! Bad input, over every route of the OpenAPI document: one problem that says
//! what is wrong, and nothing written.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::{Method, Request};
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::portfolio::{contribution, lot, portfolio};
use crate::support::TestApp;
use crate::support::response::TestResponse;
use crate::support::user::TestUser;
use crate::target_prices;

/// A documented operation.
#[derive(Clone, Debug)]
struct Operation {
    method: Method,
    path: String,
    reads_json: bool,
    /// Query parameters.
    query: Vec<String>,
    /// A `{...}` in the path.
    parameter: Option<String>,
}

fn operations() -> Vec<Operation> {
    let document: Value = serde_json::to_value(tandem::router::openapi()).unwrap();
    let mut found = Vec::new();
    let paths = document["paths"].as_object().unwrap();
    // Errors of the faces of OpenAI's and MCP's clients have other shapes: see `openai` and `mcp`.
    let is_ours = |path: &str| !path.starts_with("/v1/") && path != "/mcp";
    for (path, item) in paths.iter().filter(|(path, _)| is_ours(path)) {
        for (method, operation) in item.as_object().unwrap() {
            let Ok(method) = method.to_uppercase().parse::<Method>() else { continue };
            if !["GET", "POST", "PUT", "PATCH", "DELETE"].contains(&method.as_str()) {
                continue;
            }
            let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
            let named = |place: &str| {
                let here = parameters.iter().filter(|parameter| parameter["in"] == place);
                here.map(|parameter| parameter["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
            };
            found.push(Operation {
                method,
                path: path.clone(),
                reads_json: operation["requestBody"]["content"]["application/json"].is_object(),
                query: named("query"),
                parameter: named("path").into_iter().next(),
            });
        }
    }
    assert!(found.len() > 25, "{}", found.len());
    found
}

impl Operation {
    fn at(&self, id: &str) -> String {
        match &self.parameter {
            Some(name) => {
                let path = self.path.replace(&format!("{{{name}}}"), id).replace("{call_id}", "call_1");
                let inner = "0198c0de-0000-7000-8000-000000000000";
                path.replace("{change_id}", inner).replace("{reader_id}", inner).replace("{run}", inner)
            }
            None => self.path.clone(),
        }
    }

    fn concrete(&self) -> String {
        self.at(&Uuid::now_v7().to_string())
    }
}

async fn send(
    user: &TestUser,
    method: &Method,
    path: &str,
    content_type: &str,
    body: Vec<u8>,
) -> TestResponse {
    let token = user.token.as_ref().unwrap();
    let mut request =
        Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
    if !content_type.is_empty() {
        request = request.header("content-type", content_type);
    }
    user.send(request.body(Body::from(body)).unwrap()).await
}

/// Exactly one problem with everything a problem has.
#[track_caller]
fn is_problem(response: TestResponse, statuses: &[u16], what: &str) -> Value {
    assert!(statuses.contains(&response.status), "{what}: {} {}", response.status, response.body);
    let content_type = response.headers.get("content-type").map(|value| value.to_str().unwrap());
    assert_eq!(content_type, Some("application/problem+json"), "{what}: {}", response.body);
    let id = response.headers["x-request-id"].to_str().unwrap().to_owned();
    let problem: Value =
        serde_json::from_str(&response.body).unwrap_or_else(|_| panic!("{what}: {}", response.body));
    for field in ["type", "title", "detail", "code"] {
        assert!(!problem[field].as_str().unwrap_or_default().is_empty(), "{what}: no {field}: {problem}");
    }
    assert_eq!((&problem["request_id"], &problem["status"]), (&json!(id), &json!(response.status)), "{what}");
    problem
}

#[track_caller]
fn names(problem: &Value, field: &str, what: &str) {
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    assert!(errors.iter().any(|error| error["field"] == field), "{what}: {field} is not named: {problem}");
}

/// Rows of every table of both databases.
async fn rows(app: &TestApp) -> BTreeMap<String, i64> {
    let mut counted = BTreeMap::new();
    count(app.core(), &mut counted).await;
    count(app.ai(), &mut counted).await;
    assert!(counted.len() > 12, "{counted:?}");
    counted
}

async fn count(database: &impl ConnectionTrait, counted: &mut BTreeMap<String, i64>) {
    let tables = "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'";
    for row in database.query_all_raw(Statement::from_string(DbBackend::Postgres, tables)).await.unwrap() {
        let table: String = row.try_get_by_index(0).unwrap();
        let sql = format!("SELECT count(*) FROM {table}");
        let row = database.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.unwrap();
        counted.insert(table, row.unwrap().try_get_by_index(0).unwrap());
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_one_problem_on_every_route() {
    let app = TestApp::start().await;
    let user = app.admin().await;
    let before = rows(&app).await;
    let deep = format!("{{\"metadata\":{}1{}}}", "{\"a\":".repeat(5000), "}".repeat(5000));
    let mut tried = 0;
    for operation in operations().iter().filter(|operation| operation.reads_json) {
        let Operation { method, .. } = operation;
        let path = operation.concrete();
        let json = "application/json";
        let cases: [(&str, &str, Vec<u8>, &[u16]); 14] = [
            ("no type", "", b"{}".to_vec(), &[415]),
            ("text", "text/plain", b"{}".to_vec(), &[415]),
            ("a form", "application/x-www-form-urlencoded", b"a=b".to_vec(), &[415]),
            ("nothing", json, Vec::new(), &[400]),
            ("half an object", json, b"{\"".to_vec(), &[400]),
            ("two objects", json, b"{} {}".to_vec(), &[400, 422]),
            ("no JSON", json, b"<html>".to_vec(), &[400]),
            ("no UTF-8", json, b"{\"title\": \"\xff\xfe\"}".to_vec(), &[400, 422]),
            ("a list", json, b"[]".to_vec(), &[422]),
            ("a list of values", json, b"[\"a\", \"b\", null, null, null, null]".to_vec(), &[422]),
            ("a number", json, b"7".to_vec(), &[422]),
            ("null", json, b"null".to_vec(), &[422]),
            ("a huge number", json, b"1e999".to_vec(), &[400, 422]),
            ("too deep", json, deep.clone().into_bytes(), &[400, 422]),
        ];
        for (what, content_type, body, statuses) in cases {
            // An import may be a list: ChatGPT's is.
            if path.ends_with("/chat/import") && what.starts_with("a list") {
                continue;
            }
            let what = format!("{method} {path}: {what}");
            let problem = is_problem(send(&user, method, &path, content_type, body).await, statuses, &what);
            if problem["status"] == 422 {
                assert!(!problem["errors"].as_array().unwrap().is_empty(), "{what}: {problem}");
            }
            tried += 1;
        }
        let unknown = json!({ "no_field_has_this_name": 1 }).to_string().into_bytes();
        let what = format!("{method} {path}: an unknown field");
        let problem = is_problem(send(&user, method, &path, json, unknown).await, &[422], &what);
        names(&problem, "no_field_has_this_name", &what);
    }
    assert!(tried > 150, "{tried}");
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn a_body_over_the_limit_is_413_on_every_route() {
    let app = TestApp::with().env("TANDEM__HTTP__JSON_LIMIT_BYTES", 2048).start().await;
    let user = app.admin().await;
    let before = rows(&app).await;
    let body = format!("{{\"content\": \"{}\"}}", "x".repeat(4096)).into_bytes();
    for operation in operations().iter().filter(|operation| operation.reads_json) {
        let path = operation.concrete();
        let answer = send(&user, &operation.method, &path, "application/json", body.clone()).await;
        let problem = is_problem(answer, &[413], &path);
        assert_eq!(problem["code"], "body_too_large");
        assert!(problem["detail"].as_str().unwrap().contains("2048"), "{problem}");
    }
    assert_eq!(rows(&app).await, before);
}

#[tokio::test]
async fn ids_that_are_none_or_nobodys_are_told_apart_on_every_route() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let before = rows(&app).await;
    let mut tried = 0;
    for operation in operations() {
        let Some(parameter) = &operation.parameter else { continue };
        // A symbol is no id: nearly every word is one. Files are looked at before ids.
        let takes_file = operation.path.ends_with("/import") || operation.path.ends_with("/import-csv");
        if operation.path.contains("/admin/") || parameter == "symbol" || takes_file {
            continue;
        }
        let body = if operation.reads_json { valid(&operation) } else { Value::Null };
        let bytes = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let content_type = if body.is_null() { "" } else { "application/json" };
        for wrong in ["not-an-id", "%00", "1", "%F0%9F%92%A9"] {
            let path = operation.at(wrong);
            let what = format!("{} {path}", operation.method);
            let answer = send(&user, &operation.method, &path, content_type, bytes.clone()).await;
            let problem = is_problem(answer, &[422], &what);
            names(&problem, parameter, &what);
        }
        let path = operation.concrete();
        let what = format!("{} {path}", operation.method);
        let answer = send(&user, &operation.method, &path, content_type, bytes).await;
        let problem = is_problem(answer, &[404], &what);
        assert_eq!(problem["code"], "not_found", "{what}");
        tried += 1;
    }
    assert!(tried >= 10, "{tried}");
    assert_eq!(rows(&app).await, before);
}

/// A body that would be right.
fn valid(operation: &Operation) -> Value {
    let below = operation.path.strip_prefix("/api/v1").unwrap_or(&operation.path);
    if below.starts_with("/target-prices/") {
        return target_prices::body_of(below);
    }
    match operation.path.rsplit('/').next().unwrap() {
        "send" => json!({ "content": "hello" }),
        "feedback" => json!({ "rating": "up" }),
        "equity-changes" => contribution(),
        "sources" if operation.path.contains("collections") => json!({ "source_ids": [Uuid::now_v7()] }),
        "readers" => json!({ "user_id": Uuid::now_v7() }),
        "close" => json!({ "exit_price": 1 }),
        "valuations" => json!({ "valuation_date": "2024-01-02", "price": 1 }),
        "tags" | "remove" => json!({ "tag_ids": [] }),
        "{id}" if operation.path.contains("conversations") => json!({ "title": "Another" }),
        "{id}" if operation.path.contains("api-keys") => json!({ "name": "Another" }),
        "{id}" if operation.path.contains("memories") => json!({ "content": "Another." }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn wrong_pages_are_named_on_every_list() {
    let app = TestApp::start().await;
    let user = app.admin().await;
    let conversation = user.conversation().await;
    let portfolio = portfolio(&user).await;
    let position = lot(&user, &portfolio, json!({})).await["id"].as_str().unwrap().to_owned();
    let tag = user.post("/tags", json!({ "name": "a tag" })).await.expect(201);
    let tag = tag["id"].as_str().unwrap().to_owned();
    let mut tried = 0;
    for operation in operations() {
        // Those in pages; the others have limits of their own.
        if operation.method != Method::GET || !operation.query.contains(&"cursor".to_owned()) {
            continue;
        }
        // What must be there, is.
        let given = if operation.query.contains(&"q".to_owned()) { "q=x&" } else { "" };
        let path = operation.at(match operation.path.split('/').nth(3) {
            Some("portfolios" | "target-prices") => &portfolio,
            Some("positions") => &position,
            Some("tags") => &tag,
            _ => &conversation,
        });
        for limit in ["0", "201", "-1", "many", "99999999999999999999", "1.5", ""] {
            let what = format!("{path}?{given}limit={limit}");
            names(&is_problem(user.get(&what).await, &[422], &what), "limit", &what);
        }
        for cursor in ["x", "AAAA", "%00", "e30=", &"A".repeat(5000)] {
            let what = format!("{path}?{given}cursor={cursor}");
            names(&is_problem(user.get(&what).await, &[422], &what), "cursor", &what);
        }
        let what = format!("{path}?{given}no_such_parameter=1");
        names(&is_problem(user.get(&what).await, &[422], &what), "no_such_parameter", &what);
        user.get(&format!("{path}?{given}limit=200")).await.expect(200);
        tried += 1;
    }
    assert!(tried >= 3, "{tried}");
}

/// Path, body, and the field that is wrong in it.
fn wrong_fields() -> Vec<(&'static str, Value, &'static str)> {
    let long = "x".repeat(40_000);
    let nul = "a\u{0}b";
    vec![
        ("/chat/conversations", json!({ "title": nul }), "title"),
        ("/chat/conversations", json!({ "title": 7 }), "title"),
        ("/chat/conversations", json!({ "title": long }), "title"),
        ("/chat/conversations", json!({ "title": "" }), "title"),
        ("/chat/conversations", json!({ "metadata": { "a": nul } }), "metadata"),
        ("/chat/conversations", json!({ "metadata": { nul: 1 } }), "metadata"),
        ("/chat/conversations", json!({ "metadata": { "a": long } }), "metadata"),
        ("/chat/conversations", json!({ "metadata": [] }), "metadata"),
        ("/chat/send", json!({ "text": nul }), "text"),
        ("/chat/send", json!({ "text": long }), "text"),
        ("/chat/send", json!({ "text": ["a"] }), "text"),
        ("/chat/send", json!({}), "text"),
        ("/chat/send", json!({ "text": "x", "conversation_id": "x" }), "conversation_id"),
        ("/chat/send", json!({ "text": "x", "ui_context": "x" }), "ui_context"),
        ("/chat/send", json!({ "text": "x", "ui_context": { "route": nul } }), "ui_context"),
        ("/chat/send", json!({ "text": "x", "ui_context": { "selection": long } }), "ui_context"),
        ("/knowledge/sources", json!({ "title": nul, "text": "x" }), "title"),
        ("/knowledge/sources", json!({ "title": "x", "text": nul }), "text"),
        ("/knowledge/sources", json!({ "title": long, "text": "x" }), "title"),
        ("/knowledge/sources", json!({ "title": "x", "text": "x", "external_id": nul }), "external_id"),
        ("/knowledge/sources", json!({ "title": "x", "text": "x", "scope": "s".repeat(101) }), "scope"),
        ("/knowledge/sources", json!({ "title": "x", "text": "x", "metadata": { "a": nul } }), "metadata"),
        (
            "/knowledge/sources",
            json!({ "title": "x", "text": "x", "media_type": "application/x-evil" }),
            "media_type",
        ),
        ("/knowledge/sources", json!({ "url": nul }), "url"),
        ("/knowledge/sources", json!({ "url": format!("https://example.com/{long}") }), "url"),
        ("/knowledge/sources", json!({ "url": "https://example.com", "title": nul }), "title"),
        ("/knowledge/sources/batch", json!({ "items": [] }), "items"),
        ("/knowledge/sources/batch", json!({ "items": vec![json!({}); 501] }), "items"),
        ("/knowledge/sources/batch", json!({ "items": {} }), "items"),
        ("/knowledge/collections", json!({ "name": nul }), "name"),
        ("/knowledge/collections", json!({ "name": "n".repeat(101) }), "name"),
        ("/knowledge/collections", json!({ "name": "n", "description": long }), "description"),
        ("/knowledge/search", json!({ "query": "x", "collections": [] }), "collections"),
        ("/knowledge/search", json!({ "query": nul }), "query"),
        ("/knowledge/search", json!({ "query": "x", "limit": 0 }), "limit"),
        ("/knowledge/search", json!({ "query": "x", "limit": 201 }), "limit"),
        ("/knowledge/search", json!({ "query": "x", "limit": 1e30 }), "limit"),
        ("/knowledge/search", json!({ "query": "x", "mode": "magic" }), "mode"),
        ("/knowledge/search", json!({ "embedding": [0.1, 0.2] }), "embedding"),
        ("/memories", json!({ "content": nul }), "content"),
        ("/memories", json!({ "content": long }), "content"),
        ("/memories", json!({ "content": "x", "persona_id": 7 }), "persona_id"),
        ("/memories", json!({ "content": "x", "metadata": { "a": nul } }), "metadata"),
        ("/memories/batch", json!({ "items": vec![json!({}); 501] }), "items"),
        ("/memories/search", json!({ "query": nul }), "query"),
        ("/memories/search", json!({ "embedding": [0.1, 0.2] }), "embedding"),
        ("/characters", json!({ "slug": nul, "name": "A", "system_prompt": "x" }), "slug"),
        ("/characters", json!({ "slug": "a", "name": nul, "system_prompt": "x" }), "name"),
        ("/characters", json!({ "slug": "a", "name": "A", "system_prompt": long }), "system_prompt"),
        ("/personas", json!({ "name": "A", "description": nul }), "description"),
        ("/personas", json!({ "name": "A", "identities": [7] }), "identities"),
        ("/chat/conversations", json!({ "character_id": 7 }), "character_id"),
        ("/chat/send", json!({ "text": "x", "persona_id": "x" }), "persona_id"),
        ("/auth/login", json!({ "email": nul, "password": "x" }), "email"),
        ("/auth/login", json!({ "email": "x", "password": "p".repeat(129) }), "password"),
        ("/auth/register", json!({ "email": "no address", "password": "long enough" }), "email"),
        ("/auth/register", json!({ "email": "a@example.com", "password": "short" }), "password"),
        (
            "/auth/register",
            json!({ "email": "a@example.com", "password": "long enough", "full_name": nul }),
            "full_name",
        ),
    ]
}

/// The same of portfolios.
fn wrong_holdings() -> Vec<(&'static str, Value, &'static str)> {
    let nul = "a\u{0}b";
    vec![
        ("/portfolios", json!({ "name": nul }), "name"),
        ("/portfolios", json!({ "name": "A", "currency": "usd" }), "currency"),
        ("/portfolios", json!({ "name": "A", "account_type": "magic" }), "account_type"),
        ("/portfolios", json!({ "name": "A", "equity_balance": -1 }), "equity_balance"),
        ("/portfolios", json!({ "name": "A", "equity_balance": 0.001 }), "equity_balance"),
        ("/portfolios", json!({ "name": "A", "description": nul }), "description"),
        ("/positions", json!({ "quantity": 1, "entry_price": 1 }), "portfolio_id"),
        ("/positions", json!({ "quantity": "many", "entry_price": 1 }), "quantity"),
        ("/positions", json!({ "quantity": 1, "entry_price": 1e13 }), "entry_price"),
        ("/positions", json!({ "quantity": 1, "entry_price": 1, "entry_date": "0001-01-01" }), "entry_date"),
        ("/positions", json!({ "quantity": 1, "entry_price": 1, "position_type": "long" }), "position_type"),
        ("/positions/bulk", json!({ "portfolio_id": Uuid::nil(), "positions": [] }), "positions"),
        ("/tags", json!({ "name": nul }), "name"),
        ("/tags", json!({ "name": "A", "color": "blue" }), "color"),
        ("/tags", json!({ "name": "A", "color": "#12345G" }), "color"),
    ]
}

#[tokio::test]
async fn nul_and_wrong_types_and_lengths_are_named_and_nothing_is_written() {
    let app = TestApp::start().await;
    let user = app.user().await;
    let before = rows(&app).await;
    let deep = (0..100).fold(json!(1), |inner, _| json!({ "a": inner }));
    for (path, body, field) in wrong_fields().into_iter().chain(wrong_holdings()) {
        let what = format!("{path} {}", body.to_string().chars().take(80).collect::<String>());
        let problem = is_problem(user.post(path, body).await, &[422], &what);
        let errors = problem["errors"].as_array().unwrap();
        let named = errors.iter().any(|error| {
            let given = error["field"].as_str().unwrap();
            given == field
                || given.starts_with(&format!("{field}."))
                || given.starts_with(&format!("{field}["))
        });
        assert!(named, "{what}: {field} is not named: {problem}");
    }
    // As deep as JSON is read, and no deeper.
    let body = json!({ "title": "x", "metadata": deep });
    user.post("/chat/conversations", body).await.expect(201);
    let mut after = rows(&app).await;
    *after.get_mut("conversations").unwrap() -= 1;
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_wrong_vector_names_both_lengths_and_a_value_that_is_none() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for path in ["/knowledge/search", "/memories/search"] {
        let problem =
            user.post(path, json!({ "embedding": [0.1, 0.2] })).await.expect_wrong_field("embedding");
        let words = problem["errors"][0]["message"].as_str().unwrap();
        assert!(words.contains('2') && words.contains("384"), "{words}");
        let huge = format!("{{\"embedding\": [{}1e40]}}", "0,".repeat(383)).into_bytes();
        let answer = send(&user, &Method::POST, &format!("/api/v1{path}"), "application/json", huge).await;
        is_problem(answer, &[400, 422], path);
        let zeros = user.post(path, json!({ "embedding": vec![0.0; 384] })).await;
        names(&is_problem(zeros, &[422], path), "embedding", path);
    }
}

#[tokio::test]
async fn routes_and_methods_that_are_not_there_are_problems_for_every_path() {
    let app = TestApp::start().await;
    let user = app.user().await;
    for path in [
        "/",
        "/api",
        "/api/v1",
        "/api/v1/",
        "/api/v1/chat/",
        "/api/v1//auth/me",
        "/api/v2/auth/me",
        "/%00",
        "/docs/../x",
    ] {
        is_problem(send(&user, &Method::GET, path, "", Vec::new()).await, &[404], path);
    }
    let mut methods: BTreeMap<String, Vec<Method>> = BTreeMap::new();
    for operation in operations() {
        methods.entry(operation.concrete()).or_default();
        let path = operation.at("0198c0de-0000-7000-8000-000000000000");
        methods.entry(path).or_default().push(operation.method);
    }
    for (path, there) in methods.iter().filter(|(_, there)| !there.is_empty()) {
        for method in [Method::GET, Method::PUT, Method::PATCH, Method::DELETE, Method::TRACE] {
            if !there.contains(&method) {
                let what = format!("{method} {path}");
                let problem = is_problem(send(&user, &method, path, "", Vec::new()).await, &[405], &what);
                assert_eq!(problem["code"], "method_not_allowed");
            }
        }
    }
    let head = send(&user, &Method::HEAD, "/api/v1/auth/me", "", Vec::new()).await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    let options = send(&user, &Method::OPTIONS, "/api/v1/auth/me", "", Vec::new()).await;
    assert!(options.status < 300 && options.body.is_empty(), "{options:?}");
}

/// P-CH-9: `/memories/batch` must not be taken for the memory with the id `batch`.
#[tokio::test]
async fn every_documented_route_is_reached_under_its_own_name() {
    let app = TestApp::start().await;
    let user = app.admin().await;
    for operation in operations() {
        let Operation { method, path, .. } = &operation;
        let content_type = if operation.reads_json { "application/json" } else { "" };
        let answer = send(&user, method, &operation.concrete(), content_type, Vec::new()).await;
        assert_ne!(answer.status, 405, "{method} {path}");
        let counted = format!("tandem_http_requests_total{{route=\"{path}\",method=\"{method}\",");
        let text = app.state.metrics.render().unwrap();
        assert!(text.contains(&counted), "{method} {path} was answered by another route:\n{text}");
    }
}
