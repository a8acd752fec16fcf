//! Tools that ask for the figures of one portfolio.

use garde::Validate;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::{SCOPES, answered, shown};
use crate::analytics::views::{
    BENCHMARK, DAYS_MAX, Holding, concentration, days, figures, holdings, movers, overview, quality, sectors,
    tag,
};
use crate::portfolio::target_prices;
use crate::tools::registry::Tool;
use crate::tools::report::Found;
use crate::tools::{Caller, ToolError};

/// Positions that a model is told of.
const HOLDINGS_MAX: usize = 200;
/// Target prices that a model is told of.
const TARGETS_MAX: usize = 200;
/// Movers that a model is told of.
const MOVERS_MAX: usize = 10;

macro_rules! of_one_portfolio {
    ($(#[$doc:meta] $name:ident)*) => {$(
        #[$doc]
        #[derive(Debug, Deserialize, Validate, ToSchema)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            /// The portfolio's id; may be left out when the user has only one.
            #[serde(default)]
            #[garde(skip)]
            portfolio_id: Option<Uuid>,
        }
    )*};
}

of_one_portfolio! {
    /// Everything about a portfolio.
    GetPortfolioComplete
    /// What a portfolio comes to.
    GetAnalyticsOverview
    /// What moved a portfolio.
    GetDailyMovers
    /// Sectors of a portfolio.
    GetSectorExposure
    /// How concentrated a portfolio is.
    GetConcentrationMetrics
    /// How good a portfolio's figures are.
    GetPortfolioDataQuality
    /// What is expected of a portfolio's symbols.
    GetTargetPrices
    /// How positions are labelled.
    GetPositionTags
}

impl Tool for GetPortfolioComplete {
    const NAME: &'static str = "get_portfolio_complete";
    const DESCRIPTION: &'static str =
        "Value, P&L and positions of a portfolio of the user's, the largest positions first.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let core = caller.state.core.clone();
        answered(&caller, self.portfolio_id, async move |view| {
            let rows = holdings(&core, &view).await?;
            let left_out = rows.len().saturating_sub(HOLDINGS_MAX);
            let rows: Vec<_> = rows.into_iter().take(HOLDINGS_MAX).collect();
            Ok(json!({ "portfolio": shown(&figures(&view))?, "items": shown(&rows)?, "left_out": left_out }))
        })
        .await
    }
}

impl Tool for GetAnalyticsOverview {
    const NAME: &'static str = "get_analytics_overview";
    const DESCRIPTION: &'static str =
        "Equity, cash, leverage, exposures, P&L (day, month, year, total) and returns of a portfolio.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let core = caller.state.core.clone();
        answered(&caller, self.portfolio_id, async move |view| {
            let (past, _) = days(&core, view.row.id, view.book.day, DAYS_MAX).await?;
            Ok(overview(&core, &view, &past).await?)
        })
        .await
    }
}

impl Tool for GetDailyMovers {
    const NAME: &'static str = "get_daily_movers";
    const DESCRIPTION: &'static str = "The positions that moved a portfolio most between its two newest closes, with each one's P&L of the day (day_pnl).";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let core = caller.state.core.clone();
        answered(&caller, self.portfolio_id, async move |view| {
            let rows = movers(holdings(&core, &view).await?, MOVERS_MAX);
            Ok(json!({ "portfolio": shown(&figures(&view))?, "items": shown(&rows)? }))
        })
        .await
    }
}

impl Tool for GetSectorExposure {
    const NAME: &'static str = "get_sector_exposure";
    const DESCRIPTION: &'static str = "A portfolio's weights by sector, beside those of the S&P 500.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let core = caller.state.core.clone();
        answered(&caller, self.portfolio_id, async move |view| Ok(sectors(&core, &view, BENCHMARK).await?))
            .await
    }
}

impl Tool for GetConcentrationMetrics {
    const NAME: &'static str = "get_concentration_metrics";
    const DESCRIPTION: &'static str =
        "How concentrated a portfolio is: Herfindahl index, effective positions, weights of the largest.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        answered(&caller, self.portfolio_id, async |view| Ok(concentration(&view))).await
    }
}

impl Tool for GetPortfolioDataQuality {
    const NAME: &'static str = "get_portfolio_data_quality";
    const DESCRIPTION: &'static str =
        "How a portfolio's positions are priced: how many by a close of the day, an older one, or none.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let core = caller.state.core.clone();
        answered(&caller, self.portfolio_id, async move |view| {
            let (past, _) = days(&core, view.row.id, view.book.day, 1).await?;
            Ok(quality(&view, past.last().map(|day| day.date)))
        })
        .await
    }
}

impl Tool for GetTargetPrices {
    const NAME: &'static str = "get_target_prices";
    const DESCRIPTION: &'static str = "The target prices that the user has set for a portfolio's symbols, by symbol: end of this year and the next, downside, with the return (in percent) and the gain that each would bring.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let core = caller.state.core.clone();
        answered(&caller, self.portfolio_id, async move |view| {
            let (rows, left_out) = target_prices::first(&core, view.row.id, TARGETS_MAX).await?;
            Ok(json!({ "items": shown(&rows)?, "left_out": left_out }))
        })
        .await
    }
}

impl Tool for GetPositionTags {
    const NAME: &'static str = "get_position_tags";
    const DESCRIPTION: &'static str =
        "The user's own labels (tags) of a portfolio's open positions, the largest positions first.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let core = caller.state.core.clone();
        answered(&caller, self.portfolio_id, async move |view| {
            let mut rows = holdings(&core, &view).await?;
            let left_out = rows.len().saturating_sub(HOLDINGS_MAX);
            rows.truncate(HOLDINGS_MAX);
            tag(&core, &mut rows).await?;
            let items: Vec<_> = rows.iter().map(tagged).collect();
            Ok(json!({ "items": items, "left_out": left_out }))
        })
        .await
    }
}

fn tagged(row: &Holding) -> Value {
    json!({
        "position_id": row.id, "symbol": row.symbol, "position_type": row.position_type,
        "market_value": row.market_value, "weight": row.weight, "tags": row.tags,
    })
}
