//! The routes of the knowledge base.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::knowledge::http;
use crate::state::AppState;

/// Sources, and what finds and looks after them.
pub(super) fn knowledge() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(http::create_source, http::list_sources))
        .routes(routes!(http::create_sources))
        .routes(routes!(http::get_source, http::change_source, http::delete_source))
        .routes(routes!(http::retry_source))
        .routes(routes!(http::knowledge_stats))
        .routes(routes!(http::knowledge_scopes))
        .routes(routes!(http::knowledge_duplicates))
        .merge(collections())
        .routes(routes!(http::search))
}

fn collections() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(http::create_collection, http::list_collections))
        .routes(routes!(http::get_collection, http::change_collection, http::delete_collection))
        .routes(routes!(http::fill_collection))
        .routes(routes!(http::share_collection))
        .routes(routes!(http::withdraw_collection))
}
