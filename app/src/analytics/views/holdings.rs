//! Open lots as they are shown.

use std::collections::HashMap;

use chrono::NaiveDate;
use entity::core::position::{InvestmentClass, PositionType};
use sea_orm::prelude::Decimal;
use sea_orm::{ConnectionTrait, DbBackend, Statement};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::View;
use crate::db::CoreDb;
use crate::error::Result;
use crate::market::sectors;
use crate::portfolio::figures::{Source, Valued};
use crate::web::Money;

/// An open lot. Sums are in the portfolio's currency, prices in the lot's.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Holding {
    /// The position.
    pub id: Uuid,
    /// Ticker, or the symbol of an option's contract.
    pub symbol: String,
    /// Of the company or fund, if it is known.
    pub name: Option<String>,
    /// GICS sector, if it is known.
    pub sector: Option<String>,
    /// Long or short; share, call or put.
    #[schema(value_type = String)]
    pub position_type: PositionType,
    /// What kind of market it has.
    #[schema(value_type = String)]
    pub investment_class: InvestmentClass,
    /// In today's units (after splits); negative when short.
    pub quantity: Money,
    /// Units of the underlying a contract.
    pub multiplier: Money,
    /// Of its prices.
    pub currency: String,
    /// Paid or received for a unit, as it was.
    pub entry_price: Money,
    /// When it was opened.
    pub entry_date: NaiveDate,
    /// What a unit is worth.
    pub last_price: Money,
    /// The day of that price.
    pub price_date: NaiveDate,
    /// Where it is from.
    pub price_source: Source,
    /// Signed. Null: a rate of exchange is missing.
    pub market_value: Option<Money>,
    /// Signed. Null: a rate of exchange is missing.
    pub cost_basis: Option<Money>,
    /// Value less cost.
    pub unrealized_pnl: Option<Money>,
    /// The same over the cost, without its sign.
    pub unrealized_return: Option<f64>,
    /// P&L since the close before the newest one.
    pub day_pnl: Option<Money>,
    /// The same over the value at that close, without its sign.
    pub day_return: Option<f64>,
    /// Value over the portfolio's total value.
    pub weight: Option<f64>,
    /// Of options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub underlying_symbol: Option<String>,
    /// Of options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub strike_price: Option<Money>,
    /// Of options.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expiration_date: Option<NaiveDate>,
    /// Names of its tags; only where they were asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<Vec<String>>,
}

/// Open lots by their value without its sign, the largest first, then by symbol and id.
pub async fn holdings(core: &CoreDb, view: &View) -> Result<Vec<Holding>> {
    let symbols: Vec<String> = view.book.positions.iter().map(|valued| symbol(view, valued)).collect();
    let known = known(core, symbols).await?;
    let mut holdings: Vec<Holding> =
        view.book.positions.iter().map(|valued| holding(view, valued, &known)).collect();
    let size = |holding: &Holding| holding.market_value.map(|value| value.0.abs()).unwrap_or_default();
    holdings.sort_by(|one, other| {
        size(other).cmp(&size(one)).then_with(|| (&one.symbol, one.id).cmp(&(&other.symbol, other.id)))
    });
    Ok(holdings)
}

/// What moved the portfolio since the close before the newest one: the largest changes first, without their sign.
pub fn movers(mut holdings: Vec<Holding>, limit: usize) -> Vec<Holding> {
    holdings.retain(|holding| holding.day_pnl.is_some_and(|pnl| !pnl.0.is_zero()));
    let size = |holding: &Holding| holding.day_pnl.map(|pnl| pnl.0.abs()).unwrap_or_default();
    holdings.sort_by(|one, other| {
        size(other).cmp(&size(one)).then_with(|| (&one.symbol, one.id).cmp(&(&other.symbol, other.id)))
    });
    holdings.truncate(limit);
    holdings
}

/// The symbol whose company it is: of an option that of its underlying.
pub(super) fn symbol(view: &View, valued: &Valued) -> String {
    let lot = &view.account.lots[valued.lot];
    lot.contract.as_ref().map_or(&lot.symbol, |contract| &contract.underlying).clone()
}

/// What is known of a company.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) name: Option<String>,
    pub(super) sector: Option<String>,
}

/// What is known of these symbols.
pub(super) async fn known(core: &CoreDb, symbols: Vec<String>) -> Result<HashMap<String, Known>> {
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT known.symbol, profile.company_name, coalesce(profile.sector, known.sector) AS sector
           FROM symbol_universe AS known LEFT JOIN company_profiles AS profile USING (symbol)
          WHERE known.symbol = ANY ($1)",
        [symbols.into()],
    );
    let mut found = HashMap::new();
    for row in core.query_all_raw(statement).await? {
        let sector: Option<String> = row.try_get("", "sector")?;
        let sector = sector.map(|name| sectors::standard(&name).to_owned());
        found.insert(row.try_get("", "symbol")?, Known { name: row.try_get("", "company_name")?, sector });
    }
    Ok(found)
}

fn holding(view: &View, valued: &Valued, known: &HashMap<String, Known>) -> Holding {
    let lot = &view.account.lots[valued.lot];
    let known = known.get(&symbol(view, valued)).cloned().unwrap_or_default();
    let worth = valued.worth;
    let day_pnl = view.day_pnl(valued);
    let value_before = worth.zip(day_pnl).map(|(worth, pnl)| (worth.market_value - pnl).abs());
    Holding {
        id: lot.id.0,
        symbol: lot.symbol.clone(),
        name: known.name,
        sector: known.sector,
        position_type: lot.kind,
        investment_class: lot.class,
        quantity: Money(valued.quantity),
        multiplier: Money(lot.multiplier),
        currency: lot.currency.clone(),
        entry_price: Money(lot.entry_price),
        entry_date: lot.entry_date,
        last_price: Money(valued.mark.price.round_dp(8)),
        price_date: valued.mark.day,
        price_source: valued.mark.source,
        market_value: worth.map(|worth| Money(worth.market_value)),
        cost_basis: worth.map(|worth| Money(worth.cost_basis)),
        unrealized_pnl: worth.map(|worth| Money(worth.unrealized_pnl)),
        unrealized_return: worth.and_then(|worth| ratio(worth.unrealized_pnl, worth.cost_basis.abs())),
        day_pnl: day_pnl.map(Money),
        day_return: day_pnl.zip(value_before).and_then(|(pnl, before)| ratio(pnl, before)),
        weight: worth.and_then(|worth| ratio(worth.market_value, view.standing.total_value)),
        underlying_symbol: lot.contract.as_ref().map(|contract| contract.underlying.clone()),
        strike_price: lot.contract.as_ref().map(|contract| Money(contract.strike)),
        expiration_date: lot.contract.as_ref().map(|contract| contract.expires_on),
        tags: None,
    }
}

/// One sum over another; none over nothing, or less than nothing.
pub(super) fn ratio(part: Decimal, whole: Decimal) -> Option<f64> {
    if whole <= Decimal::ZERO {
        return None;
    }
    f64::try_from(part.checked_div(whole)?).ok()
}
