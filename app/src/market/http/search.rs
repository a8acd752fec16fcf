//! `/equity-search`: companies and funds by their profiles.

use axum::extract::State;
use garde::Validate;
use sea_orm::prelude::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::market::search::{self, After, Equity, Filter, Filters, Sort};
use crate::state::AppState;
use crate::web::{Json, Problems, Query, page};

/// In which direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// The smallest first.
    Asc,
    /// The largest first.
    #[default]
    Desc,
}

/// Which equities, in which order.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EquityQuery {
    /// In the symbol or the name.
    #[garde(length(chars, min = 1, max = 100))]
    #[param(min_length = 1, max_length = 100)]
    pub q: Option<String>,
    /// GICS sector, or a provider's name for it.
    #[garde(length(chars, max = 100))]
    #[param(max_length = 100)]
    pub sector: Option<String>,
    /// Industry.
    #[garde(length(chars, max = 200))]
    #[param(max_length = 200)]
    pub industry: Option<String>,
    /// Market capitalisation from here on.
    #[garde(skip)]
    #[param(value_type = Option<f64>)]
    pub min_market_cap: Option<Decimal>,
    /// Up to this market capitalisation.
    #[garde(skip)]
    #[param(value_type = Option<f64>)]
    pub max_market_cap: Option<Decimal>,
    /// Price over earnings from here on.
    #[garde(skip)]
    pub min_pe: Option<f64>,
    /// Up to this price over earnings.
    #[garde(skip)]
    pub max_pe: Option<f64>,
    /// `market_cap`, `symbol`, `pe_ratio`, `dividend_yield` or `beta`; what is not known comes last.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline, default = "market_cap")]
    pub sort: Sort,
    /// `asc` or `desc`.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline, default = "desc")]
    pub order: Order,
    /// Rows a page, 1 to 200.
    #[garde(range(min = 1, max = page::LIMIT_MAX))]
    #[serde(default = "page::limit_default")]
    #[param(minimum = 1, maximum = 200, default = 50)]
    pub limit: u64,
    /// `next_cursor` of the page before, with the same order.
    #[garde(length(max = 1000))]
    pub cursor: Option<String>,
}

/// A page of equities.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Equities {
    /// The rows.
    items: Vec<Equity>,
    /// Ask for the next page with this; null on the last one.
    next_cursor: Option<String>,
}

/// Search equities.
///
/// Among the companies and funds whose profiles were imported, with their newest closes.
#[utoipa::path(get, path = "/equity-search", tag = "market data", params(EquityQuery),
    responses((status = 200, body = Equities), Problems))]
pub async fn equities(
    State(state): State<AppState>,
    _: CurrentUser,
    Query(query): Query<EquityQuery>,
) -> Result<Json<Equities>> {
    for (name, bound) in [("min_pe", query.min_pe), ("max_pe", query.max_pe)] {
        if bound.is_some_and(|bound| !bound.is_finite()) {
            return Err(Error::field(name, "must be a number"));
        }
    }
    let after = query.cursor.as_deref().map(After::read).transpose()?;
    let filter = Filter {
        text: query.q,
        sector: query.sector,
        industry: query.industry,
        market_cap: (query.min_market_cap, query.max_market_cap),
        pe_ratio: (query.min_pe, query.max_pe),
    };
    let is_descending = query.order == Order::Desc;
    let (items, last) =
        search::equities(&state.core, &filter, query.sort, is_descending, after.as_ref(), query.limit)
            .await?;
    Ok(Json(Equities { items, next_cursor: last.map(|last| last.text()) }))
}

/// What equities can be searched by.
///
/// Sectors, industries and ranges of those there are.
#[utoipa::path(get, path = "/equity-search/filters", tag = "market data",
    responses((status = 200, body = Filters), Problems))]
pub async fn filters(State(state): State<AppState>, _: CurrentUser) -> Result<Json<Filters>> {
    Ok(Json(search::filters(&state.core).await?))
}
