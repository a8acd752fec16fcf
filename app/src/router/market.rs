//! The routes of market data.

use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::market::http::{fundamentals, prices, reference, search};
use crate::state::AppState;

/// Prices, companies, factors: everybody's, but for the portfolio whose symbols are asked for.
pub(super) fn market() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(prices::historical))
        .routes(routes!(prices::benchmark))
        .routes(routes!(prices::quotes))
        .routes(routes!(reference::company_profiles))
        .routes(routes!(reference::factor_prices))
        .routes(routes!(search::equities))
        .routes(routes!(search::filters))
        .routes(routes!(fundamentals::income_statement))
        .routes(routes!(fundamentals::balance_sheet))
        .routes(routes!(fundamentals::cash_flow))
        .routes(routes!(fundamentals::analyst_estimates))
}
