//! `/data/prices`: of a portfolio's symbols, of a benchmark, the newest.

use axum::extract::State;
use chrono::NaiveDate;
use entity::ids::PortfolioId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{DAYS_MAX, SYMBOLS_MAX, range, symbol, symbols};
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::market::history::{self, Histories, History};
use crate::market::quotes::{self, Quote};
use crate::state::AppState;
use crate::web::{Described, Json, Meta, Path, Problems, Query};

/// Symbols of a portfolio that are answered.
const HELD_MAX: u64 = 1_000;
/// Prices of an answer.
const PRICES_MAX: u64 = 50_000;
/// Days back without `from`.
const DAYS_DEFAULT: u64 = 90;

/// Which days.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct RangeQuery {
    /// First day; without it 90 days before the last. At most 3,660 days are answered at once.
    #[garde(skip)]
    pub from: Option<NaiveDate>,
    /// Last day; without it today.
    #[garde(skip)]
    pub to: Option<NaiveDate>,
}

/// Which symbols.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QuotesQuery {
    /// Up to 50 symbols, separated by commas.
    #[garde(length(chars, max = 4000))]
    pub symbols: String,
    /// The newest closes up to this day; without it today.
    #[garde(skip)]
    pub as_of: Option<NaiveDate>,
}

/// Quotes.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Quotes {
    /// By symbol.
    quotes: Vec<Quote>,
    /// Symbols without a price.
    missing: Vec<String>,
}

/// Prices of a portfolio's symbols.
///
/// Of everything in it that has a market, and of what its options are on: prices as they were paid, with splits and
/// dividends beside them. Symbol by symbol, oldest first, up to 50,000 prices.
#[utoipa::path(get, path = "/data/prices/historical/{id}", tag = "market data",
    params(("id" = Uuid, Path, description = "The portfolio"), RangeQuery),
    responses((status = 200, body = Described<Vec<History>>), Problems))]
pub async fn historical(
    State(state): State<AppState>,
    user: CurrentUser,
    Path(id): Path<Uuid>,
    Query(query): Query<RangeQuery>,
) -> Result<Json<Described<Vec<History>>>> {
    let symbols = history::held(&state.core, user.id, PortfolioId(id), HELD_MAX).await?;
    let (from, to) = range(&state.core, query.from, query.to, DAYS_DEFAULT).await?;
    let found = history::history(&state.core, &symbols, from, to, PRICES_MAX).await?;
    Ok(Json(described(&query, from, to, found)?))
}

/// Prices of a benchmark.
///
/// Of any symbol that is known, such as a fund of an index. 404 if nothing is known of it.
#[utoipa::path(get, path = "/data/prices/benchmark/{symbol}", tag = "market data",
    params(("symbol" = String, Path, description = "The symbol"), RangeQuery),
    responses((status = 200, body = Described<Vec<History>>), Problems))]
pub async fn benchmark(
    State(state): State<AppState>,
    _: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<RangeQuery>,
) -> Result<Json<Described<Vec<History>>>> {
    let symbols = [symbol(&name)?];
    let (from, to) = range(&state.core, query.from, query.to, DAYS_DEFAULT).await?;
    let found = history::history(&state.core, &symbols, from, to, PRICES_MAX).await?;
    if found.count == 0 && quotes::latest(&state.core, &symbols, None).await?.is_empty() {
        return Err(Error::NotFound("symbol"));
    }
    Ok(Json(described(&query, from, to, found)?))
}

/// The newest closes.
///
/// With the close before, in units of today, and the change since.
#[utoipa::path(get, path = "/data/prices/quotes", tag = "market data", params(QuotesQuery),
    responses((status = 200, body = Described<Quotes>), Problems))]
pub async fn quotes(
    State(state): State<AppState>,
    _: CurrentUser,
    Query(query): Query<QuotesQuery>,
) -> Result<Json<Described<Quotes>>> {
    let symbols = symbols(&query.symbols)?;
    let quotes = quotes::quotes(&state.core, &symbols, query.as_of).await?;
    let applied = json!({ "symbols": symbols, "as_of": query.as_of });
    let meta = Meta::new(&query, &applied, &[("symbols", SYMBOLS_MAX as u64)])?;
    let meta = meta.with_rows(quotes.len(), quotes.iter().map(|quote| quote.date).max());
    let is_missing = |symbol: &String| !quotes.iter().any(|quote| quote.symbol == *symbol);
    let missing = symbols.into_iter().filter(is_missing).collect();
    Ok(Json(Described { meta, data: Quotes { quotes, missing } }))
}

fn described(
    query: &RangeQuery,
    from: NaiveDate,
    to: NaiveDate,
    found: Histories,
) -> Result<Described<Vec<History>>> {
    let names: Vec<&str> = found.symbols.iter().map(|history| history.symbol.as_str()).collect();
    let applied = json!({ "from": from, "to": to, "symbols": names });
    let limits = [("days", DAYS_MAX), ("prices", PRICES_MAX), ("symbols", HELD_MAX)];
    let mut meta = Meta::new(query, &applied, &limits)?.with_rows(found.count, found.as_of);
    meta.truncated = found.is_truncated;
    Ok(Described { meta, data: found.symbols })
}
