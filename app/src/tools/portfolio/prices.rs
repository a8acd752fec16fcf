//! Tools that ask for prices and companies.

use chrono::{Days, NaiveDate};
use garde::Validate;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{SCOPES, found, shown};
use crate::db::CoreDb;
use crate::market::{companies, factors, history, normalised, quotes};
use crate::tools::registry::Tool;
use crate::tools::report::{FiguresOf, Found};
use crate::tools::{Caller, ToolError};

/// Symbols of one call.
const SYMBOLS_MAX: usize = 5;
/// How far back prices go.
const LOOKBACK_DAYS_MAX: u64 = 180;
const LOOKBACK_DAYS_DEFAULT: u64 = 30;

/// Asks for the newest closes.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GetCurrentQuotes {
    /// Ticker symbols, at most 5.
    #[garde(length(min = 1, max = SYMBOLS_MAX))]
    #[schema(min_items = 1, max_items = 5)]
    symbols: Vec<String>,
}

/// Asks for closes of the past.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GetPricesHistorical {
    /// Ticker symbols, at most 5.
    #[garde(length(min = 1, max = SYMBOLS_MAX))]
    #[schema(min_items = 1, max_items = 5)]
    symbols: Vec<String>,
    /// Calendar days back from the newest close, 30 if it is left out, at most 180.
    #[serde(default)]
    #[garde(inner(range(min = 1, max = LOOKBACK_DAYS_MAX)))]
    #[schema(minimum = 1, maximum = 180)]
    lookback_days: Option<u64>,
}

/// Asks what is known of companies.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GetCompanyProfile {
    /// Ticker symbols, at most 5.
    #[garde(length(min = 1, max = SYMBOLS_MAX))]
    #[schema(min_items = 1, max_items = 5)]
    symbols: Vec<String>,
}

/// Asks for closes of the funds behind factors.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GetFactorEtfPrices {
    /// Which of the funds, at most 5; all if it is left out.
    #[serde(default)]
    #[garde(inner(length(min = 1, max = SYMBOLS_MAX)))]
    #[schema(min_items = 1, max_items = 5)]
    symbols: Option<Vec<String>>,
    /// Calendar days back from the newest close, 30 if it is left out, at most 180.
    #[serde(default)]
    #[garde(inner(range(min = 1, max = LOOKBACK_DAYS_MAX)))]
    #[schema(minimum = 1, maximum = 180)]
    lookback_days: Option<u64>,
}

impl Tool for GetCurrentQuotes {
    const NAME: &'static str = "get_current_quotes";
    const DESCRIPTION: &'static str =
        "The newest closes of symbols, with the close before and the change between the two.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let symbols = symbols(&self.symbols)?;
        let quotes = quotes::quotes(&caller.state.core, &symbols, None).await?;
        let as_of = quotes.iter().map(|quote| quote.date).max();
        let applied = json!({ "symbols": symbols });
        let figures = of_prices(&symbols, as_of);
        Ok(found(json!({ "items": shown(&quotes)? }), applied.clone(), applied, figures))
    }
}

impl Tool for GetPricesHistorical {
    const NAME: &'static str = "get_prices_historical";
    const DESCRIPTION: &'static str =
        "Daily closes of symbols up to the newest one, as they were paid, with splits and dividends.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let symbols = symbols(&self.symbols)?;
        past(&caller.state.core, &symbols, self.lookback_days, |_| Value::Null).await
    }
}

impl Tool for GetCompanyProfile {
    const NAME: &'static str = "get_company_profile";
    const DESCRIPTION: &'static str =
        "What is known of companies and funds: name, sector, ratios, estimates.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let symbols = symbols(&self.symbols)?;
        let profiles = companies::profiles(&caller.state.core, &symbols).await?;
        let applied = json!({ "symbols": symbols });
        let figures = of_prices(&symbols, None);
        Ok(found(json!({ "items": shown(&profiles)? }), applied.clone(), applied, figures))
    }
}

impl Tool for GetFactorEtfPrices {
    const NAME: &'static str = "get_factor_etf_prices";
    const DESCRIPTION: &'static str = "Daily closes of the funds that stand for factors (market, value, growth, momentum, size, quality and others), each with the factors it stands for.";

    const SCOPES: &'static [&'static str] = SCOPES;
    const OF_PORTFOLIOS: bool = true;

    async fn run(self, caller: Caller) -> Result<Found, ToolError> {
        let core = &caller.state.core;
        let factors = factors::active(core).await?;
        let names_of = |symbol: &str| -> Vec<&str> {
            let stand = factors.iter().filter(|row| factors::sides(row).any(|side| side == symbol));
            stand.map(|row| row.name.as_str()).collect()
        };
        let mut funds: Vec<String> = factors.iter().flat_map(factors::sides).map(ToOwned::to_owned).collect();
        funds.sort_unstable();
        funds.dedup();
        if let Some(wanted) = &self.symbols {
            let wanted = symbols(wanted)?;
            if let Some(other) = wanted.iter().find(|symbol| !funds.contains(symbol)) {
                let known = funds.join(", ");
                return Err(ToolError::new("bad_arguments", format!("`{other}` is none of {known}")));
            }
            funds = wanted;
        }
        past(core, &funds, self.lookback_days, |symbol| json!(names_of(symbol))).await
    }
}

/// Closes of symbols up to their newest one; `stands_for` is told with each.
async fn past(
    core: &CoreDb,
    symbols: &[String],
    days: Option<u64>,
    stands_for: impl Fn(&str) -> Value,
) -> Result<Found, ToolError> {
    let days = days.unwrap_or(LOOKBACK_DAYS_DEFAULT);
    let newest = quotes::latest(core, symbols, None).await?;
    let Some(to) = newest.values().map(|close| close.date).max() else {
        let applied = json!({ "symbols": symbols });
        return Ok(found(json!({ "items": [] }), applied.clone(), applied, Vec::new()));
    };
    let from = to.checked_sub_days(Days::new(days)).unwrap_or(to);
    let rows = symbols.len() as u64 * (LOOKBACK_DAYS_MAX + 1);
    let read = history::history(core, symbols, from, to, rows).await?;
    let item = |of: &history::History| {
        let mut item = closes(of, to);
        let factors = stands_for(&of.symbol);
        if !factors.is_null() {
            item["factors"] = factors;
        }
        item
    };
    let items: Vec<Value> = read.symbols.iter().map(item).collect();
    let applied = json!({ "symbols": symbols, "from": from, "to": to });
    let figures = of_prices(symbols, Some(to));
    Ok(found(json!({ "items": items }), applied.clone(), applied, figures))
}

/// What prices are of: nobody's portfolio.
fn of_prices(symbols: &[String], as_of: Option<NaiveDate>) -> Vec<FiguresOf> {
    vec![FiguresOf { portfolio_id: None, title: symbols.join(", "), as_of }]
}

/// A date and a close a day: what a model needs of a history.
fn closes(history: &history::History, to: NaiveDate) -> Value {
    let closes: Vec<Value> = history
        .prices
        .iter()
        .map(|price| json!([price.date, shown(&price.close).unwrap_or_default()]))
        .collect();
    json!({
        "symbol": history.symbol, "currency": history.currency, "upto": to, "closes": closes,
        "splits": history.splits, "dividends": history.dividends,
    })
}

fn symbols(given: &[String]) -> Result<Vec<String>, ToolError> {
    let mut symbols = Vec::with_capacity(given.len());
    for text in given {
        let wrong = || ToolError::new("bad_arguments", format!("`{text}` is not a symbol"));
        symbols.push(normalised(text).ok_or_else(wrong)?);
    }
    Ok(symbols)
}
