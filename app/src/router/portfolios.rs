//! The routes of portfolios.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::portfolio::http::{equity_changes, portfolios, position_tags, positions, sector_tags, tags};
use crate::state::AppState;

/// Portfolios and what is in them.
pub(super) fn portfolios() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(portfolios::create, portfolios::list))
        .routes(routes!(portfolios::read, portfolios::change, portfolios::change_by_put, portfolios::delete))
        .routes(routes!(equity_changes::create, equity_changes::list))
        .routes(routes!(equity_changes::summary))
        .routes(routes!(equity_changes::export))
        .routes(routes!(equity_changes::read, equity_changes::change, equity_changes::delete))
        .routes(routes!(positions::create::create, positions::read::list))
        .routes(routes!(positions::create::create_bulk, positions::delete::delete_bulk))
        .routes(routes!(positions::checks::validate_symbol))
        .routes(routes!(positions::checks::check_duplicate))
        .routes(routes!(position_tags::for_symbol))
        .routes(routes!(
            positions::read::read,
            positions::change::change,
            positions::change::change_by_put,
            positions::delete::delete
        ))
        .routes(routes!(positions::close::close, positions::close::reopen))
        .routes(routes!(positions::valuations::list, positions::valuations::put))
        .routes(routes!(
            position_tags::list,
            position_tags::add,
            position_tags::replace,
            position_tags::remove
        ))
        .routes(routes!(position_tags::remove_by_post))
        .routes(routes!(tags::create, tags::list))
        .routes(routes!(tags::create_defaults))
        .routes(routes!(tags::read, tags::change, tags::delete))
        .routes(routes!(tags::archive))
        .routes(routes!(tags::restore))
        .routes(routes!(tags::positions))
        .routes(routes!(sector_tags::restore))
}
