//! A lot as it is answered.

use chrono::{DateTime, NaiveDate, Utc};
use entity::core::position::{self, InvestmentClass, PositionType};
use entity::core::position_realized_event as event;
use sea_orm::prelude::Decimal;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::portfolio::positions::Known;
use crate::web::Money;

/// A position: a lot. Prices and quantities are as they were traded; what splits made of them
/// since says `split_factor`.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct PositionView {
    /// Key.
    id: Uuid,
    /// Whose it is.
    portfolio_id: Uuid,
    /// Ticker, or the contract's symbol.
    symbol: String,
    /// `LONG`, `SHORT`, `LC`, `LP`, `SC` or `SP`.
    #[schema(value_type = String)]
    position_type: PositionType,
    /// `PUBLIC`, `OPTIONS` or `PRIVATE`.
    #[schema(value_type = String)]
    investment_class: InvestmentClass,
    /// Finer than the class.
    investment_subtype: Option<String>,
    /// As it was opened; negative when short.
    opened_quantity: Money,
    /// What of it is open, in units of its entry.
    quantity: Money,
    /// What a unit of its entry is today; 1 when there was no split since.
    split_factor: Money,
    /// What of it is open, in today's units.
    current_quantity: Money,
    /// Units of the underlying a contract, else 1.
    multiplier: Money,
    /// Of its prices.
    currency: String,
    /// A unit.
    entry_price: Money,
    /// When it was opened.
    entry_date: NaiveDate,
    /// Of the close that left nothing.
    exit_price: Option<Money>,
    /// Of the same.
    exit_date: Option<NaiveDate>,
    /// Of options.
    underlying_symbol: Option<String>,
    /// Of options.
    strike_price: Option<Money>,
    /// Of options.
    expiration_date: Option<NaiveDate>,
    /// Your words.
    notes: Option<String>,
    /// The mark of its last valuation, which the batch makes.
    last_price: Option<Money>,
    /// The day of that price.
    last_price_date: Option<NaiveDate>,
    /// Of the last valuation, in the portfolio's currency, as the following.
    market_value: Option<Money>,
    /// What is open, at its entry price.
    cost_basis: Option<Money>,
    /// Value less cost.
    unrealized_pnl: Option<Money>,
    /// Of its closes so far.
    realized_pnl: Option<Money>,
    /// Its closes, the oldest first; absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    closes: Option<Vec<CloseView>>,
    /// When it was entered.
    created_at: DateTime<Utc>,
    /// When it last changed.
    updated_at: DateTime<Utc>,
}

/// A close of a position, in units of the position's entry.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct CloseView {
    /// Key.
    id: Uuid,
    /// When.
    trade_date: NaiveDate,
    /// How much, without sign.
    quantity: Money,
    /// A unit.
    price: Money,
    /// Proceeds less cost in the portfolio's currency; null while it takes a rate of exchange.
    realized_pnl: Option<Money>,
}

impl From<event::Model> for CloseView {
    fn from(row: event::Model) -> Self {
        Self {
            id: row.id.0,
            trade_date: row.trade_date,
            quantity: row.quantity_closed.into(),
            price: row.price.into(),
            realized_pnl: row.realized_pnl.map(Money),
        }
    }
}

impl From<Known> for PositionView {
    fn from(known: Known) -> Self {
        let Known { row, split_factor, closes } = known;
        let current = row.quantity.checked_mul(split_factor).unwrap_or(Decimal::MAX).round_dp(8);
        let closes = closes.map(|closes| closes.into_iter().map(CloseView::from).collect());
        Self { current_quantity: current.into(), split_factor: split_factor.into(), closes, ..row.into() }
    }
}

impl From<position::Model> for PositionView {
    fn from(row: position::Model) -> Self {
        Self {
            id: row.id.0,
            portfolio_id: row.portfolio_id.0,
            symbol: row.symbol,
            position_type: row.position_type,
            investment_class: row.investment_class,
            investment_subtype: row.investment_subtype,
            opened_quantity: row.opened_quantity.into(),
            quantity: row.quantity.into(),
            split_factor: Decimal::ONE.into(),
            current_quantity: row.quantity.into(),
            multiplier: row.multiplier.into(),
            currency: row.currency,
            entry_price: row.entry_price.into(),
            entry_date: row.entry_date,
            exit_price: row.exit_price.map(Money),
            exit_date: row.exit_date,
            underlying_symbol: row.underlying_symbol,
            strike_price: row.strike_price.map(Money),
            expiration_date: row.expiration_date,
            notes: row.notes,
            last_price: row.last_price.map(Money),
            last_price_date: row.last_price_date,
            market_value: row.market_value.map(Money),
            cost_basis: row.cost_basis.map(Money),
            unrealized_pnl: row.unrealized_pnl.map(Money),
            realized_pnl: row.realized_pnl.map(Money),
            closes: None,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}
