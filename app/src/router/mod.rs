//! Every route; those of portfolios and market data in files of their own.
//!
//! Path and method stand on the handler (`#[utoipa::path]`), so the router and
//! the OpenAPI document cannot disagree. Everything needs a user but the
//! [`PUBLIC`] list.

mod batch;
mod cors;
mod edge;
mod imports;
mod knowledge;
mod market;
mod portfolios;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use tower::ServiceBuilder;
use utoipa::OpenApi;
use utoipa::openapi::RefOr;
use utoipa::openapi::path::{ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::SwaggerUi;

use self::edge::{Edge, enter};
use crate::auth::Gate;
use crate::error::Error;
use crate::idempotency::{Keeper, Kind, Rule};
use crate::server::{health, identified, metrics};
use crate::state::AppState;
use crate::web::extract::BodyLimit;
use crate::{admin, auth, chat, conversation, feedback, mcp, memory, openai, persona, usage, web};

/// Where the API lives.
pub const BASE: &str = "/api/v1";

/// Routes that need no user. Everything else does.
pub const PUBLIC: &[&str] = &[
    "/health",
    "/health/live",
    "/health/ready",
    "/metrics",
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

/// Routes that a ticket opens, for browsers' `EventSource`.
const TICKETED: &[&str] = &["/api/v1/chat/messages/{id}/stream"];

/// Routes that heed `Idempotency-Key`: those that create.
pub const IDEMPOTENT: &[Rule] = &[
    Rule { path: "/api/v1/admin/batch/run", kind: Kind::Kept },
    Rule { path: "/api/v1/admin/batch/trigger/market-data", kind: Kind::Kept },
    Rule { path: "/api/v1/admin/embedding-spaces", kind: Kind::Kept },
    Rule { path: "/api/v1/admin/mcp-servers", kind: Kind::Kept },
    Rule { path: "/api/v1/characters", kind: Kind::Kept },
    Rule { path: "/api/v1/chat/conversations", kind: Kind::Kept },
    Rule { path: "/api/v1/chat/conversations/{id}/send", kind: Kind::Turn },
    Rule { path: "/api/v1/chat/import", kind: Kind::Kept },
    Rule { path: "/api/v1/chat/messages/{id}/regenerate", kind: Kind::Turn },
    Rule { path: "/api/v1/chat/send", kind: Kind::Turn },
    Rule { path: "/api/v1/knowledge/collections", kind: Kind::Kept },
    Rule { path: "/api/v1/knowledge/sources", kind: Kind::Kept },
    Rule { path: "/api/v1/knowledge/sources/batch", kind: Kind::Kept },
    Rule { path: "/api/v1/memories", kind: Kind::Kept },
    Rule { path: "/api/v1/memories/batch", kind: Kind::Kept },
    Rule { path: "/api/v1/personas", kind: Kind::Kept },
    Rule { path: "/api/v1/portfolios", kind: Kind::Kept },
    Rule { path: "/api/v1/portfolios/import", kind: Kind::Kept },
    Rule { path: "/api/v1/portfolios/{id}/equity-changes", kind: Kind::Kept },
    Rule { path: "/api/v1/positions", kind: Kind::Kept },
    Rule { path: "/api/v1/positions/bulk", kind: Kind::Kept },
    Rule { path: "/api/v1/positions/{id}/close", kind: Kind::Kept },
    Rule { path: "/api/v1/tags", kind: Kind::Kept },
    Rule { path: "/api/v1/target-prices/{id}", kind: Kind::Kept },
    Rule { path: "/api/v1/target-prices/{id}/bulk", kind: Kind::Kept },
    Rule { path: "/v1/responses", kind: Kind::Turn },
];

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
    accounts()
        .merge(chats())
        .merge(knowledge::knowledge())
        .merge(memories())
        .merge(market::market())
        .merge(batch::batch())
        .merge(administration())
        .merge(portfolios::portfolios())
        .merge(imports::imports_and_targets())
}

fn accounts() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(auth::http::register))
        .routes(routes!(auth::http::login))
        .routes(routes!(auth::http::refresh))
        .routes(routes!(auth::http::logout))
        .routes(routes!(usage::me::me, auth::http::delete_me))
        .routes(routes!(auth::http::setup::set_up))
        .routes(routes!(auth::http::api_keys::create, auth::http::api_keys::list))
        .routes(routes!(
            auth::http::api_keys::read,
            auth::http::api_keys::rename,
            auth::http::api_keys::delete
        ))
}

fn chats() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(conversation::http::create, conversation::http::list))
        .routes(routes!(conversation::http::read, conversation::http::change, conversation::http::delete))
        .routes(routes!(conversation::http::messages))
        .routes(routes!(persona::http::characters::create, persona::http::characters::list))
        .routes(routes!(
            persona::http::characters::read,
            persona::http::characters::change,
            persona::http::characters::delete
        ))
        .routes(routes!(persona::http::personas::create, persona::http::personas::list))
        .routes(routes!(
            persona::http::personas::read,
            persona::http::personas::change,
            persona::http::personas::delete
        ))
        .routes(routes!(conversation::search::search))
        .routes(routes!(conversation::transfer::export::export_one))
        .routes(routes!(conversation::transfer::export::export_all))
        .routes(routes!(conversation::transfer::import::import))
        .routes(routes!(chat::http::send))
        .routes(routes!(chat::http::send_text))
        .routes(routes!(chat::stream::attach))
        .routes(routes!(chat::stream::ticket))
        .routes(routes!(chat::stream::cancel))
        .routes(routes!(chat::decide::approve))
        .routes(routes!(chat::decide::deny))
        .routes(routes!(chat::regenerate::regenerate))
        .routes(routes!(chat::models::models))
        .routes(routes!(usage::http::usage))
        .routes(routes!(
            feedback::http::vote,
            feedback::http::vote_by_post,
            feedback::http::read,
            feedback::http::withdraw
        ))
}

fn memories() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(
            memory::http::create::create,
            memory::http::list::list,
            memory::http::delete::delete_all
        ))
        .routes(routes!(memory::http::batch::create_batch))
        .routes(routes!(memory::http::search::search))
        .routes(routes!(memory::http::read::read, memory::http::edit::edit, memory::http::delete::delete))
}

fn administration() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(admin::users::list))
        .routes(routes!(admin::users::read, admin::users::change))
        .routes(routes!(admin::invitations::create, admin::invitations::list))
        .routes(routes!(admin::invitations::delete))
        .routes(routes!(admin::mcp_servers::http::create, admin::mcp_servers::http::list))
        .routes(routes!(
            admin::mcp_servers::http::read,
            admin::mcp_servers::http::change,
            admin::mcp_servers::http::delete
        ))
        .routes(routes!(admin::mcp_servers::approve::inspect))
        .routes(routes!(admin::mcp_servers::approve::approve))
        .routes(routes!(admin::ai::metrics))
        .routes(routes!(admin::ai::cost))
        .routes(routes!(admin::delete_user::delete_user))
        .routes(routes!(admin::embedding_spaces::begin, admin::embedding_spaces::list))
        .routes(routes!(admin::embedding_spaces::switch))
        .routes(routes!(admin::embedding_spaces::rollback))
        .routes(routes!(admin::embedding_spaces::abort))
        .routes(routes!(admin::links::http::links))
        .routes(routes!(admin::links::http::retry))
}

/// The routes and the OpenAPI document they make.
fn documented() -> (Router<AppState>, utoipa::openapi::OpenApi) {
    let (router, mut document) = OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::metrics))
        .routes(routes!(openai::models::list))
        .routes(routes!(openai::models::read))
        .routes(routes!(openai::embeddings::create))
        .routes(routes!(openai::completions::create))
        .routes(routes!(openai::responses::create))
        .routes(routes!(openai::responses::read::retrieve, openai::responses::read::delete))
        .routes(routes!(openai::responses::read::cancel))
        .routes(routes!(openai::responses::read::input_items))
        .routes(routes!(mcp::http::serve))
        .nest(BASE, api())
        .split_for_parts();
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .description(Some("An access token of /auth/login, or an API key of /auth/api-keys"))
        .build();
    document.components.get_or_insert_default().add_security_scheme("bearer", SecurityScheme::Http(bearer));
    for rule in IDEMPOTENT {
        let creating = document.paths.paths.get_mut(rule.path).and_then(|path| path.post.as_mut());
        let Some(creating) = creating else { continue };
        let parameter = ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(ParameterIn::Header)
            .description(Some(
                "1 to 255 visible characters; the same request under the same key within 24 h is done once",
            ))
            .build();
        creating.parameters.get_or_insert_default().push(RefOr::T(parameter));
    }
    web::operations::name(&mut document);
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
    let gate = Gate { state: state.clone(), public: PUBLIC, ticketed: TICKETED, base: BASE };
    let proxies = state.settings.http.trusted_proxies.clone();
    let keeper = Keeper { state: state.clone(), rules: IDEMPOTENT };
    // One stack, outermost first: each `layer` of a router is a service to copy with every request.
    let stack = ServiceBuilder::new()
        .layer(from_fn_with_state(state.metrics.clone(), identified::identified))
        .layer(web::panic::layer(state.metrics.clone()))
        .layer(cors::layer(&state))
        .layer(axum::Extension(BodyLimit(limit)))
        .layer(DefaultBodyLimit::max(limit))
        .layer(from_fn_with_state(Arc::new(Edge { proxies, gate, keeper }), enter));
    routes
        .merge(documentation(document))
        .route("/api/health", axum::routing::get(health::health))
        .route("/api/v1/health", axum::routing::get(health::health))
        .route("/setup", axum::routing::post(auth::http::setup::set_up))
        .method_not_allowed_fallback(wrong_method)
        .layer(stack)
        .with_state(state)
}

/// The document and its page. A page that it does not have is a problem too.
fn documentation(document: utoipa::openapi::OpenApi) -> Router<AppState> {
    let pages = Router::from(SwaggerUi::new("/docs").url("/openapi.json", document));
    pages.layer(map_response(async |response: Response| match response.status() {
        StatusCode::NOT_FOUND => Error::NotFound("page").into_response(),
        _ => response,
    }))
}

async fn wrong_method(method: Method) -> Error {
    Error::MethodNotAllowed(method.to_string())
}
