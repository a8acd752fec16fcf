//! Routes of the batch: for administrators, and for owners of a portfolio.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::admin::batch::{history, run, schedules};
use crate::analytics;
use crate::analytics::views::http as views;
use crate::state::AppState;

pub(super) fn batch() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(run::start))
        .routes(routes!(run::current))
        .routes(routes!(run::cancel))
        .routes(routes!(run::market_data))
        .routes(routes!(run::cleanup_incomplete))
        .routes(routes!(history::list))
        .routes(routes!(history::summary))
        .routes(routes!(history::read))
        .routes(routes!(history::logs))
        .routes(routes!(schedules::list))
        .routes(routes!(schedules::change))
        .routes(routes!(analytics::http::calculate))
        .routes(routes!(analytics::http::batch_status))
        .routes(routes!(views::data::portfolios))
        .routes(routes!(views::data::complete))
        .routes(routes!(views::data::snapshot))
        .routes(routes!(views::data::data_quality))
        .routes(routes!(views::data::details))
        .routes(routes!(views::data::top))
        .routes(routes!(views::analytics::overview))
        .routes(routes!(views::analytics::sector_exposure))
        .routes(routes!(views::analytics::concentration))
        .routes(routes!(views::aggregate::overview))
        .routes(routes!(views::aggregate::breakdown))
        .routes(routes!(views::aggregate::sector_exposure))
        .routes(routes!(views::aggregate::concentration))
}
