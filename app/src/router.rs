//! Every route, on one screen.
//!
//! Path and method stand on the handler (`#[utoipa::path]`), so the router and
//! the OpenAPI document cannot disagree. Everything needs a user but the
//! [`PUBLIC`] list.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use tower_http::cors::{AllowOrigin, CorsLayer};
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;
use uuid::Uuid;

use crate::auth::Gate;
use crate::config::Network;
use crate::error::{CanFail, Error};
use crate::server::health;
use crate::state::AppState;
use crate::web::client;
use crate::web::extract::BodyLimit;
use crate::web::problem::REQUEST_ID;
use crate::{admin, auth, chat, conversation, feedback, knowledge, memory};

/// Where the API lives.
pub const BASE: &str = "/api/v1";

/// Routes that need no user. Everything else does.
pub const PUBLIC: &[&str] = &[
    "/health",
    "/health/live",
    "/health/ready",
    "/api/health",
    "/api/v1/health",
    "/api/v1/auth/register",
    "/api/v1/auth/login",
    "/api/v1/auth/refresh",
    "/api/v1/auth/logout",
    "/api/v1/setup",
    "/setup",
    "/openapi.json",
    "/docs",
    "/docs/",
    "/docs/{*rest}",
];

const IDEMPOTENCY_KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID_HEADER: HeaderName = HeaderName::from_static("last-event-id");
/// How long a browser may remember that it may ask.
const PREFLIGHT_AGE: Duration = Duration::from_mins(10);
const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tandem",
        description = "The backend of an AI application on two Postgres databases. Errors are RFC 9457 problem details.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    security(("bearer" = []))
)]
struct Document;

/// Every route below [`BASE`].
fn api() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(auth::http::register))
        .routes(routes!(auth::http::login))
        .routes(routes!(auth::http::refresh))
        .routes(routes!(auth::http::logout))
        .routes(routes!(auth::http::me, auth::http::delete_me))
        .routes(routes!(auth::http::setup::set_up))
        .routes(routes!(auth::http::api_keys::create, auth::http::api_keys::list))
        .routes(routes!(
            auth::http::api_keys::read,
            auth::http::api_keys::rename,
            auth::http::api_keys::delete
        ))
        .routes(routes!(admin::users::list))
        .routes(routes!(admin::users::read, admin::users::change))
        .routes(routes!(admin::invitations::create, admin::invitations::list))
        .routes(routes!(admin::invitations::delete))
        .routes(routes!(conversation::http::create, conversation::http::list))
        .routes(routes!(conversation::http::read, conversation::http::rename, conversation::http::delete))
        .routes(routes!(conversation::http::messages))
        .routes(routes!(chat::http::send))
        .routes(routes!(chat::http::send_text))
        .routes(routes!(
            feedback::http::vote,
            feedback::http::vote_by_post,
            feedback::http::read,
            feedback::http::withdraw
        ))
        .routes(routes!(knowledge::http::create_source, knowledge::http::list_sources))
        .routes(routes!(knowledge::http::create_sources))
        .routes(routes!(knowledge::http::get_source, knowledge::http::delete_source))
        .routes(routes!(knowledge::http::search))
        .routes(routes!(
            memory::http::create::create,
            memory::http::list::list,
            memory::http::delete::delete_all
        ))
        .routes(routes!(admin::delete_user::delete_user))
        .routes(routes!(admin::links::http::links))
        .routes(routes!(admin::links::http::retry))
        .routes(routes!(memory::http::batch::create_batch))
        .routes(routes!(memory::http::search::search))
        .routes(routes!(memory::http::read::read, memory::http::edit::edit, memory::http::delete::delete))
}

/// The routes and the OpenAPI document they make.
fn documented() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .nest(BASE, api())
        .split_for_parts();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An access token of /auth/login, or an API key of /auth/api-keys"))
        .build();
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    (router, document)
}

/// The OpenAPI document.
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().1
}

/// The whole application as one service.
pub fn build(state: AppState) -> Router {
    let (routes, document) = documented();
    let limit = state.settings.http.json_limit_bytes;
    let gate = Gate { state: state.clone(), public: PUBLIC, base: BASE };
    let proxies: Arc<[Network]> = state.settings.http.trusted_proxies.clone().into();
    routes
        .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
        .route("/api/health", axum::routing::get(health::health))
        .route("/api/v1/health", axum::routing::get(health::health))
        .route("/setup", axum::routing::post(auth::http::setup::set_up))
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(gate, auth::require_user))
        .layer(DefaultBodyLimit::max(limit))
        .layer(axum::Extension(BodyLimit(limit)))
        .layer(from_fn_with_state(proxies, client::identify))
        .layer(cors(&state))
        .layer(from_fn(identified))
        .with_state(state)
}

async fn wrong_method(method: Method) -> Error {
    Error::MethodNotAllowed(method.to_string())
}

/// Gives each request an id, which its log lines, problems and answer carry.
async fn identified(request: Request, next: Next) -> Response {
    let id = request
        .headers()
        .get(REQUEST_ID_HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_harmless(id))
        .map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let span = tracing::info_span!("request", request_id = %id, method = %request.method(), path = request.uri().path());
    let started = tokio::time::Instant::now();
    let answer = REQUEST_ID.scope(id.clone(), next.run(request));
    let mut response = tracing::Instrument::instrument(answer, span.clone()).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID_HEADER, value);
    }
    let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    span.in_scope(|| tracing::info!(status = response.status().as_u16(), duration_ms, "answered"));
    response
}

/// A caller's id goes into log lines, so it is short and plain.
fn is_harmless(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// The configured origins, exactly; while embedded, any page of this machine.
/// Never with credentials: nothing here is authenticated by a cookie.
fn cors(state: &AppState) -> CorsLayer {
    let configured = &state.settings.http.cors_origins;
    let origins = if configured.is_empty() && state.settings.is_embedded() {
        AllowOrigin::predicate(|origin, _| is_loopback_origin(origin))
    } else {
        AllowOrigin::list(configured.iter().filter_map(|origin| {
            let value = HeaderValue::from_str(origin);
            value.as_ref().map(|_| ()).can_fail("an origin in CORS_ORIGINS is not a header value");
            value.ok()
        }))
    };
    CorsLayer::new()
        .allow_origin(origins)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            IDEMPOTENCY_KEY_HEADER,
            LAST_EVENT_ID_HEADER,
        ])
        .expose_headers([REQUEST_ID_HEADER, header::RETRY_AFTER])
        .max_age(PREFLIGHT_AGE)
}

fn is_loopback_origin(origin: &HeaderValue) -> bool {
    let Some(host) = origin
        .to_str()
        .ok()
        .and_then(|text| url::Url::parse(text).ok())
        .and_then(|url| url.host().map(|host| host.to_owned()))
    else {
        return false;
    };
    match host {
        url::Host::Domain(name) => name == "localhost",
        url::Host::Ipv4(address) => address.is_loopback(),
        url::Host::Ipv6(address) => address.is_loopback(),
    }
}
