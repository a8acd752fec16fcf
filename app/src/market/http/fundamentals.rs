//! `/fundamentals/{symbol}`: statements, and what analysts expect.

use axum::extract::State;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::symbol;
use crate::auth::CurrentUser;
use crate::error::{Error, Result};
use crate::market::companies::{self, Fields, Frequency, Statement};
use crate::state::AppState;
use crate::web::{Described, Json, Meta, Path, Problems, Query};

/// Periods of an answer.
const PERIODS_MAX: u64 = 40;

/// Which periods.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct PeriodsQuery {
    /// Quarters or years.
    #[garde(skip)]
    #[serde(default)]
    #[param(inline, default = "q")]
    pub frequency: Period,
    /// How many, 1 to 40, the newest first.
    #[garde(range(min = 1, max = PERIODS_MAX))]
    #[serde(default = "periods_default")]
    #[param(minimum = 1, maximum = 40, default = 12)]
    pub periods: u64,
}

/// How long a period is.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, ToSchema)]
pub enum Period {
    /// A quarter.
    #[default]
    #[serde(rename = "q")]
    Quarter,
    /// A year.
    #[serde(rename = "a")]
    Year,
}

fn periods_default() -> u64 {
    12
}

/// Statements of a company: objects of the columns that are stored, and ratios that follow from them.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Statements {
    /// The company.
    symbol: String,
    /// Newest first.
    #[schema(value_type = Vec<Object>)]
    periods: Vec<Fields>,
}

/// What analysts expect of a company.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Estimates {
    /// The company.
    symbol: String,
    /// Revenue and earnings of this year and the next, target prices, recommendation, the next report.
    #[schema(value_type = Object)]
    estimates: Fields,
}

/// Income statements.
///
/// With gross, operating and net margin. None are known: an empty list.
#[utoipa::path(get, path = "/fundamentals/{symbol}/income-statement", tag = "market data",
    params(("symbol" = String, Path, description = "The company"), PeriodsQuery),
    responses((status = 200, body = Described<Statements>), Problems))]
pub async fn income_statement(
    State(state): State<AppState>,
    _: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<PeriodsQuery>,
) -> Result<Json<Described<Statements>>> {
    statements(&state, Statement::Income, &name, &query).await
}

/// Balance sheets.
///
/// With working capital, net debt, current ratio and debt to equity. None are known: an empty list.
#[utoipa::path(get, path = "/fundamentals/{symbol}/balance-sheet", tag = "market data",
    params(("symbol" = String, Path, description = "The company"), PeriodsQuery),
    responses((status = 200, body = Described<Statements>), Problems))]
pub async fn balance_sheet(
    State(state): State<AppState>,
    _: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<PeriodsQuery>,
) -> Result<Json<Described<Statements>>> {
    statements(&state, Statement::Balance, &name, &query).await
}

/// Cash flow statements.
///
/// None are known: an empty list.
#[utoipa::path(get, path = "/fundamentals/{symbol}/cash-flow", tag = "market data",
    params(("symbol" = String, Path, description = "The company"), PeriodsQuery),
    responses((status = 200, body = Described<Statements>), Problems))]
pub async fn cash_flow(
    State(state): State<AppState>,
    _: CurrentUser,
    Path(name): Path<String>,
    Query(query): Query<PeriodsQuery>,
) -> Result<Json<Described<Statements>>> {
    statements(&state, Statement::CashFlow, &name, &query).await
}

/// What analysts expect.
///
/// 404 if nothing is known of the company.
#[utoipa::path(get, path = "/fundamentals/{symbol}/analyst-estimates", tag = "market data",
    params(("symbol" = String, Path, description = "The company")),
    responses((status = 200, body = Described<Estimates>), Problems))]
pub async fn analyst_estimates(
    State(state): State<AppState>,
    _: CurrentUser,
    Path(name): Path<String>,
) -> Result<Json<Described<Estimates>>> {
    let symbol = symbol(&name)?;
    let estimates = companies::estimates(&state.core, &symbol).await?.ok_or(Error::NotFound("company"))?;
    let rows = [estimates];
    let as_of = companies::newest(&rows, "updated_at");
    let meta = Meta::new(&json!({}), &json!({ "symbol": symbol }), &[])?.with_rows(1, as_of);
    let [estimates] = rows;
    Ok(Json(Described { meta, data: Estimates { symbol, estimates } }))
}

async fn statements(
    state: &AppState,
    statement: Statement,
    name: &str,
    query: &PeriodsQuery,
) -> Result<Json<Described<Statements>>> {
    let symbol = symbol(name)?;
    let frequency = match query.frequency {
        Period::Quarter => Frequency::Quarter,
        Period::Year => Frequency::Year,
    };
    // One more tells whether there are more.
    let mut periods =
        companies::statements(&state.core, statement, &symbol, frequency, query.periods + 1).await?;
    let is_truncated = periods.len() as u64 > query.periods;
    periods.truncate(usize::try_from(query.periods).unwrap_or(usize::MAX));
    let applied = json!({ "symbol": symbol, "frequency": frequency.as_str(), "periods": query.periods });
    let mut meta = Meta::new(query, &applied, &[("periods", PERIODS_MAX)])?
        .with_rows(periods.len(), companies::newest(&periods, "period_date"));
    meta.truncated = is_truncated;
    Ok(Json(Described { meta, data: Statements { symbol, periods } }))
}
