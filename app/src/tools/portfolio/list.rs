//! `list_user_portfolios`.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::{SCOPES, found, of_portfolio, shown};
use crate::analytics::views::{figures, views};
use crate::tools::registry::Tool;
use crate::tools::report::Found;
use crate::tools::{Caller, ToolError};

/// Lists the user's portfolios.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ListUserPortfolios {}

impl Tool for ListUserPortfolios {
    const NAME: &'static str = "list_user_portfolios";
    const DESCRIPTION: &'static str =
        "Lists the user's portfolios with their ids, values and P&L, each in its own currency.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let views = views(&caller.state.core, caller.user.id, None, None).await?;
        let rows: Vec<_> = views.iter().map(figures).collect();
        let record: Vec<_> = views.iter().map(|view| json!({ "portfolio_id": view.row.id })).collect();
        let of = views.iter().map(of_portfolio).collect();
        let applied = json!({ "portfolios": rows.len() });
        Ok(found(json!({ "items": shown(&rows)? }), applied, json!({ "items": record }), of))
    }
}
