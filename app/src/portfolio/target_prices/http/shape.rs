//! Target prices in JSON.

use chrono::{DateTime, NaiveDate, Utc};
use entity::core::position::PositionType;
use entity::core::target_price;
use entity::ids::{PositionId, TargetPriceId};
use garde::Validate;
use sea_orm::prelude::Decimal;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::auth::Change;
use crate::error::{FieldError, Result};
use crate::market;
use crate::portfolio::target_prices::outlook::Outlook;
use crate::portfolio::target_prices::write::{Edit, NewTarget};
use crate::web::{Money, decimal, text};

/// A target price to be. One of the three prices is needed.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTargetPrice {
    /// Of which positions.
    #[garde(custom(is_symbol))]
    #[schema(min_length = 1, max_length = 32)]
    pub symbol: String,
    /// Of these lots of the symbol: `LONG`, `SHORT`, `LC`, `LP`, `SC` or `SP`; null: of all.
    #[garde(skip)]
    #[schema(value_type = Option<String>)]
    pub position_type: Option<PositionType>,
    /// Of this lot alone.
    #[garde(skip)]
    pub position_id: Option<Uuid>,
    /// At the end of the year.
    #[garde(inner(custom(decimal::not_negative)))]
    pub target_price_eoy: Option<Money>,
    /// At the end of the next.
    #[garde(inner(custom(decimal::not_negative)))]
    pub target_price_next_year: Option<Money>,
    /// If it goes badly.
    #[garde(inner(custom(decimal::not_negative)))]
    pub downside_target_price: Option<Money>,
    /// What you compare with; null: the newest price that is known.
    #[garde(inner(custom(decimal::positive)))]
    pub current_price: Option<Money>,
    /// Your words, at most 5,000 characters.
    #[garde(length(chars, max = 5000), inner(custom(text::no_nul)))]
    #[schema(max_length = 5000)]
    pub analyst_notes: Option<String>,
    /// Who says it, at most 50 characters.
    #[garde(length(chars, max = 50), inner(custom(text::no_nul)))]
    #[schema(max_length = 50)]
    pub data_source: Option<String>,
}

/// What to change in a target price; what is absent stays, null takes it away.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeTargetPrice {
    /// At the end of the year.
    #[garde(custom(is_target))]
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    pub target_price_eoy: Change<Money>,
    /// At the end of the next.
    #[garde(custom(is_target))]
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    pub target_price_next_year: Change<Money>,
    /// If it goes badly.
    #[garde(custom(is_target))]
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    pub downside_target_price: Change<Money>,
    /// What you compare with.
    #[garde(custom(is_price))]
    #[serde(default)]
    #[schema(value_type = Option<f64>)]
    pub current_price: Change<Money>,
    /// Your words, at most 5,000 characters.
    #[garde(custom(is_notes))]
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 5000)]
    pub analyst_notes: Change<String>,
    /// Who says it, at most 50 characters.
    #[garde(custom(is_source))]
    #[serde(default)]
    #[schema(value_type = Option<String>, max_length = 50)]
    pub data_source: Change<String>,
}

/// A target price, and what it means today. Returns and contributions are in percent, values in the
/// portfolio's currency; what a short position gains is above 0.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct TargetPriceRow {
    id: Uuid,
    portfolio_id: Uuid,
    /// The lot it is about; null: every lot of symbol and type.
    position_id: Option<Uuid>,
    symbol: String,
    /// Null: of every type.
    #[schema(value_type = Option<String>)]
    position_type: Option<PositionType>,
    target_price_eoy: Option<Money>,
    target_price_next_year: Option<Money>,
    downside_target_price: Option<Money>,
    /// Compared with: yours, else the newest that is known.
    current_price: Option<Money>,
    /// The day of that price; null: it is yours, or none is known.
    price_date: Option<NaiveDate>,
    expected_return_eoy: Option<f64>,
    expected_return_next_year: Option<f64>,
    downside_return: Option<f64>,
    target_upside_eoy_value: Option<Money>,
    target_upside_next_year_value: Option<Money>,
    target_downside_value: Option<Money>,
    /// Open units of today, signed.
    quantity: Money,
    /// Open lots it is about.
    lots: usize,
    /// Of these, signed.
    market_value: Option<Money>,
    /// Their value without its sign over the equity.
    position_weight: Option<f64>,
    /// Weight times the return at the end of the year.
    contribution_to_portfolio_return: Option<f64>,
    analyst_notes: Option<String>,
    data_source: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TargetPriceRow {
    pub(super) fn new(row: target_price::Model, outlook: &Outlook) -> Self {
        Self {
            id: row.id.0,
            portfolio_id: row.portfolio_id.0,
            position_id: row.position_id.map(|id| id.0),
            symbol: row.symbol,
            position_type: row.position_type,
            target_price_eoy: row.target_price_eoy.map(Money),
            target_price_next_year: row.target_price_next_year.map(Money),
            downside_target_price: row.downside_target_price.map(Money),
            current_price: outlook.price.map(Money),
            price_date: outlook.price_date,
            expected_return_eoy: outlook.eoy.percent,
            expected_return_next_year: outlook.next_year.percent,
            downside_return: outlook.downside.percent,
            target_upside_eoy_value: outlook.eoy.value.map(Money),
            target_upside_next_year_value: outlook.next_year.value.map(Money),
            target_downside_value: outlook.downside.value.map(Money),
            quantity: Money(outlook.quantity),
            lots: outlook.lots,
            market_value: outlook.market_value.map(Money),
            position_weight: outlook.weight,
            contribution_to_portfolio_return: outlook.eoy.contribution,
            analyst_notes: row.analyst_notes,
            data_source: row.data_source,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl CreateTargetPrice {
    /// As it is stored, under this id; `within` names it in what is wrong.
    pub(super) fn checked(self, id: Uuid, within: &str) -> Result<NewTarget, FieldError> {
        let wrong = |field: &str, message: &str| FieldError {
            field: format!("{within}{field}"),
            message: message.to_owned(),
        };
        let symbol = market::normalised(&self.symbol).ok_or_else(|| wrong("symbol", "must be a symbol"))?;
        let prices = [self.target_price_eoy, self.target_price_next_year, self.downside_target_price];
        if prices.iter().all(Option::is_none) {
            return Err(wrong("target_price_eoy", "one of the three target prices is needed"));
        }
        Ok(NewTarget {
            id: TargetPriceId(id),
            position_id: self.position_id.map(PositionId),
            symbol,
            position_type: self.position_type,
            eoy: self.target_price_eoy.map(Decimal::from),
            next_year: self.target_price_next_year.map(Decimal::from),
            downside: self.downside_target_price.map(Decimal::from),
            current_price: self.current_price.map(Decimal::from),
            notes: self.analyst_notes,
            data_source: self.data_source,
        })
    }
}

impl From<ChangeTargetPrice> for Edit {
    fn from(change: ChangeTargetPrice) -> Self {
        Self {
            eoy: change.target_price_eoy.map(Decimal::from),
            next_year: change.target_price_next_year.map(Decimal::from),
            downside: change.downside_target_price.map(Decimal::from),
            current_price: change.current_price.map(Decimal::from),
            notes: change.analyst_notes,
            data_source: change.data_source,
        }
    }
}

/// As the API writes it.
pub(in crate::portfolio::target_prices) fn type_name(kind: PositionType) -> &'static str {
    match kind {
        PositionType::Long => "LONG",
        PositionType::Short => "SHORT",
        PositionType::LongCall => "LC",
        PositionType::LongPut => "LP",
        PositionType::ShortCall => "SC",
        PositionType::ShortPut => "SP",
    }
}

fn is_symbol<C>(given: &str, _: &C) -> garde::Result {
    if market::normalised(given).is_some() { Ok(()) } else { Err(garde::Error::new("must be a symbol")) }
}

fn is_target<C>(change: &Change<Money>, _: &C) -> garde::Result {
    if let Change::Set(price) = change { decimal::not_negative(price, &()) } else { Ok(()) }
}

fn is_price<C>(change: &Change<Money>, _: &C) -> garde::Result {
    if let Change::Set(price) = change { decimal::positive(price, &()) } else { Ok(()) }
}

fn is_notes<C>(change: &Change<String>, _: &C) -> garde::Result {
    at_most(change, 5000)
}

fn is_source<C>(change: &Change<String>, _: &C) -> garde::Result {
    at_most(change, 50)
}

fn at_most(change: &Change<String>, characters: usize) -> garde::Result {
    let Change::Set(given) = change else { return Ok(()) };
    if given.chars().count() > characters {
        return Err(garde::Error::new(format!("must have at most {characters} characters")));
    }
    text::no_nul(given, &())
}
