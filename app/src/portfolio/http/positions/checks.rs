//! `/positions/validate-symbol`, `/positions/check-duplicate`

use axum::extract::State;
use chrono::NaiveDate;
use entity::core::position::PositionType;
use entity::ids::PortfolioId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::PositionView;
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::market;
use crate::portfolio::positions;
use crate::state::AppState;
use crate::web::{Json, Money, Problems, Query};

/// Which symbol.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SymbolQuery {
    /// As somebody wrote it.
    #[garde(length(chars, max = 200))]
    pub symbol: String,
}

/// What is known of a symbol.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SymbolView {
    /// As it is stored; as it was given if it is none.
    symbol: String,
    /// Whether a position can have it.
    is_valid: bool,
    /// Whether somebody holds it, or there are prices of it.
    is_known: bool,
    /// `equity`, `etf`, `fund`, `option`, `index`, `fx` or `other`.
    asset_type: Option<String>,
    /// Of its prices.
    currency: Option<String>,
    /// The newest there is; null: a position is worth what was paid until there is one.
    last_close: Option<Money>,
    /// Its day.
    last_close_date: Option<NaiveDate>,
}

/// Which positions.
#[derive(Clone, Debug, Deserialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DuplicateQuery {
    /// Where.
    #[garde(skip)]
    pub portfolio_id: Uuid,
    /// Ticker, or the contract's symbol.
    #[garde(length(chars, max = 200))]
    pub symbol: String,
    /// Of this type only: `LONG`, `SHORT`, `LC`, `LP`, `SC` or `SP`.
    #[garde(skip)]
    #[param(value_type = Option<String>)]
    pub position_type: Option<PositionType>,
}

/// What there is already.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Duplicates {
    /// Whether there is any.
    is_duplicate: bool,
    /// Open positions with the symbol, the newest entry first, at most 100.
    positions: Vec<PositionView>,
}

/// Check a symbol.
///
/// Its form, and what the market data have of it; nothing is asked outside.
#[utoipa::path(get, path = "/positions/validate-symbol", tag = "positions", params(SymbolQuery),
    responses((status = 200, body = SymbolView), Problems))]
pub async fn validate_symbol(
    State(state): State<AppState>,
    _: CurrentUser,
    Query(query): Query<SymbolQuery>,
) -> Result<Json<SymbolView>> {
    let Some(symbol) = market::normalised(&query.symbol) else {
        return Ok(Json(SymbolView {
            symbol: query.symbol,
            is_valid: false,
            is_known: false,
            asset_type: None,
            currency: None,
            last_close: None,
            last_close_date: None,
        }));
    };
    let known = positions::symbol(&state.core, &symbol).await?;
    Ok(Json(SymbolView {
        symbol,
        is_valid: true,
        is_known: known.is_known,
        asset_type: known.asset_type,
        currency: known.currency,
        last_close: known.last_close.map(Money),
        last_close_date: known.last_close_date,
    }))
}

/// Check for duplicates.
///
/// Open positions of a portfolio with the same symbol: to be asked before another lot is made.
#[utoipa::path(get, path = "/positions/check-duplicate", tag = "positions", params(DuplicateQuery),
    responses((status = 200, body = Duplicates), Problems))]
pub async fn check_duplicate(
    State(state): State<AppState>,
    user: CurrentUser,
    Query(query): Query<DuplicateQuery>,
) -> Result<Json<Duplicates>> {
    let symbol = market::normalised(&query.symbol).ok_or_else(|| Error::field("symbol", "is no symbol"))?;
    let portfolio = PortfolioId(query.portfolio_id);
    let alike = positions::alike(&state.core, user.id, portfolio, &symbol, query.position_type).await?;
    let known = positions::with_splits(&state.core, alike).await?;
    let positions: Vec<PositionView> = known.into_iter().map(PositionView::from).collect();
    Ok(Json(Duplicates { is_duplicate: !positions.is_empty(), positions }))
}
