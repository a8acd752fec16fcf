//! Imports into portfolios, and target prices.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::portfolio;
use crate::state::AppState;

pub(super) fn imports_and_targets() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(portfolio::import::http::template))
        .routes(routes!(portfolio::import::http::import_new))
        .routes(routes!(portfolio::import::http::import))
        .routes(routes!(
            portfolio::target_prices::http::one::list,
            portfolio::target_prices::http::one::create
        ))
        .routes(routes!(portfolio::target_prices::http::summary::summary))
        .routes(routes!(portfolio::target_prices::http::bulk::create))
        .routes(routes!(portfolio::target_prices::http::bulk::change))
        .routes(routes!(portfolio::target_prices::http::file::import_csv))
        .routes(routes!(portfolio::target_prices::http::file::export))
        .routes(routes!(
            portfolio::target_prices::http::one::read,
            portfolio::target_prices::http::one::change,
            portfolio::target_prices::http::one::delete
        ))
}
