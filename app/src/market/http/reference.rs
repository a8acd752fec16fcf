//! `/data/company-profiles`, `/data/factors/etf-prices`.

use axum::extract::State;
use entity::core::factor_definition;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::prices::RangeQuery;
use super::{DAYS_MAX, SYMBOLS_MAX, range, symbols};
use crate::auth::CurrentUser;
use crate::error::Result;
use crate::market::companies::{self, Fields};
use crate::market::factors::{self, FACTORS_MAX};
use crate::market::history::{self, History};
use crate::state::AppState;
use crate::web::{Described, Json, Meta, Problems, Query};

/// Prices of an answer.
const PRICES_MAX: u64 = 50_000;
/// Days back without `from`.
const DAYS_DEFAULT: u64 = 30;

/// Which symbols.
#[derive(Clone, Debug, Deserialize, Serialize, Validate, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProfilesQuery {
    /// Up to 50 symbols, separated by commas.
    #[garde(length(chars, max = 4000))]
    pub symbols: String,
}

/// Profiles.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Profiles {
    /// By symbol: objects of the columns that are stored.
    #[schema(value_type = Vec<Object>)]
    profiles: Vec<Fields>,
    /// Symbols without a profile.
    missing: Vec<String>,
}

/// Factors, and the prices that they are made of.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FactorPrices {
    /// In their order.
    factors: Vec<Factor>,
    /// Of every symbol that the factors name.
    prices: Vec<History>,
}

/// What a beta is against.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Factor {
    /// Stable.
    code: String,
    /// For people.
    name: String,
    /// `market`, `rates`, `style` or `spread`.
    #[serde(rename = "factor_type")]
    kind: String,
    /// `ols`, `ridge` or `provider`.
    calculation_method: String,
    /// Whose returns it is.
    long_symbol: String,
    /// Less those of this one; of spreads.
    short_symbol: Option<String>,
    /// What it measures.
    description: String,
}

/// Companies and funds.
///
/// What is known of them: names, sectors, size, ratios, estimates.
#[utoipa::path(get, path = "/data/company-profiles", tag = "market data", params(ProfilesQuery),
    responses((status = 200, body = Described<Profiles>), Problems))]
pub async fn company_profiles(
    State(state): State<AppState>,
    _: CurrentUser,
    Query(query): Query<ProfilesQuery>,
) -> Result<Json<Described<Profiles>>> {
    let symbols = symbols(&query.symbols)?;
    let profiles = companies::profiles(&state.core, &symbols).await?;
    let meta = Meta::new(&query, &json!({ "symbols": symbols }), &[("symbols", SYMBOLS_MAX as u64)])?
        .with_rows(profiles.len(), companies::newest(&profiles, "updated_at"));
    let has = |symbol: &str| {
        profiles.iter().any(|row| row.get("symbol").and_then(|name| name.as_str()) == Some(symbol))
    };
    let missing = symbols.into_iter().filter(|symbol| !has(symbol)).collect();
    Ok(Json(Described { meta, data: Profiles { profiles, missing } }))
}

/// Factors and the prices of their funds.
///
/// Active factors in their order, and the prices of every symbol that they name; 30 days if nothing else is said.
#[utoipa::path(get, path = "/data/factors/etf-prices", tag = "market data", params(RangeQuery),
    responses((status = 200, body = Described<FactorPrices>), Problems))]
pub async fn factor_prices(
    State(state): State<AppState>,
    _: CurrentUser,
    Query(query): Query<RangeQuery>,
) -> Result<Json<Described<FactorPrices>>> {
    let (from, to) = range(&state.core, query.from, query.to, DAYS_DEFAULT).await?;
    let factors = factors::active(&state.core).await?;
    let symbols: Vec<String> = factors.iter().flat_map(factors::sides).map(ToOwned::to_owned).collect();
    let found = history::history(&state.core, &symbols, from, to, PRICES_MAX).await?;
    let names: Vec<&str> = found.symbols.iter().map(|history| history.symbol.as_str()).collect();
    let applied = json!({ "from": from, "to": to, "symbols": names });
    let limits = [("days", DAYS_MAX), ("prices", PRICES_MAX), ("factors", FACTORS_MAX)];
    let mut meta = Meta::new(&query, &applied, &limits)?.with_rows(found.count, found.as_of);
    meta.truncated = found.is_truncated;
    let factors = factors.into_iter().map(Factor::from).collect();
    Ok(Json(Described { meta, data: FactorPrices { factors, prices: found.symbols } }))
}

impl From<factor_definition::Model> for Factor {
    fn from(row: factor_definition::Model) -> Self {
        Self {
            code: row.code,
            name: row.name,
            kind: row.factor_type,
            calculation_method: row.calculation_method,
            long_symbol: row.long_symbol,
            short_symbol: row.short_symbol,
            description: row.description,
        }
    }
}
