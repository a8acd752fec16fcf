//! A lot that can be stored.

use chrono::NaiveDate;
use entity::core::position::{InvestmentClass, PositionType};
use entity::core::{portfolio, position, position_realized_event as event};
use entity::ids::{PortfolioId, PositionId, RealizedEventId};
use sea_orm::ActiveValue::Set;
use sea_orm::prelude::Decimal;

use super::close::{Terms, check_close};
use super::draft::is_short;
use super::fault::Fault;

/// Units of the underlying in a listed option.
pub(super) const LISTED_CONTRACT: Decimal = Decimal::ONE_HUNDRED;

/// A close to be, in units of its lot's entry: before any later split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewClose {
    /// Key.
    pub id: RealizedEventId,
    /// When.
    pub trade_date: NaiveDate,
    /// How much, without sign.
    pub quantity: Decimal,
    /// A unit.
    pub price: Decimal,
}

/// A lot to be, as [`super::Draft::check`] makes it.
#[derive(Clone, Debug, PartialEq)]
pub struct NewLot {
    /// Key: UUIDv7, or UUIDv5 over what tells the lot from others.
    pub id: PositionId,
    /// As [`crate::market::normalised`].
    pub symbol: String,
    /// Long or short; share, call or put.
    pub position_type: PositionType,
    /// What kind of market it has.
    pub investment_class: InvestmentClass,
    /// Finer than the class.
    pub investment_subtype: Option<String>,
    /// Negative when short.
    pub opened_quantity: Decimal,
    /// Units of the underlying a contract.
    pub multiplier: Decimal,
    /// Of its prices.
    pub currency: String,
    /// A unit.
    pub entry_price: Decimal,
    /// When it was opened.
    pub entry_date: NaiveDate,
    /// Of options.
    pub underlying_symbol: Option<String>,
    /// Of options.
    pub strike_price: Option<Decimal>,
    /// Of options.
    pub expiration_date: Option<NaiveDate>,
    /// The owner's words.
    pub notes: Option<String>,
    /// What was closed of it so far.
    pub closes: Vec<NewClose>,
}

impl NewLot {
    /// What is wrong with its closes.
    pub fn check_closes(&self, today: NaiveDate) -> Result<(), Fault> {
        let mut open = self.opened_quantity.abs();
        for close in &self.closes {
            check_close(close, self.entry_date, open, self.multiplier, today)?;
            open -= close.quantity;
        }
        Ok(())
    }

    /// What is left of it; of its sign.
    pub(super) fn open(&self) -> Decimal {
        let closed: Decimal = self.closes.iter().map(|close| close.quantity).sum();
        let left = self.opened_quantity.abs() - closed;
        if is_short(self.position_type) { -left } else { left }
    }

    pub(super) fn row(&self, portfolio: &portfolio::Model) -> position::ActiveModel {
        let open = self.open();
        let last = self.closes.iter().max_by_key(|close| close.trade_date).filter(|_| open.is_zero());
        position::ActiveModel {
            id: Set(self.id),
            portfolio_id: Set(portfolio.id),
            symbol: Set(self.symbol.clone()),
            position_type: Set(self.position_type),
            investment_class: Set(self.investment_class),
            investment_subtype: Set(self.investment_subtype.clone()),
            opened_quantity: Set(self.opened_quantity),
            quantity: Set(open),
            multiplier: Set(self.multiplier),
            currency: Set(self.currency.clone()),
            entry_price: Set(self.entry_price),
            entry_date: Set(self.entry_date),
            exit_price: Set(last.map(|close| close.price)),
            exit_date: Set(last.map(|close| close.trade_date)),
            underlying_symbol: Set(self.underlying_symbol.clone()),
            strike_price: Set(self.strike_price),
            expiration_date: Set(self.expiration_date),
            notes: Set(self.notes.clone()),
            realized_pnl: Set(self.realized(&portfolio.currency)),
            ..Default::default()
        }
    }

    /// Of all closes together; none while it takes a rate of exchange.
    fn realized(&self, currency: &str) -> Option<Decimal> {
        let has_rate = self.currency == currency && !self.closes.is_empty();
        has_rate.then(|| self.closes.iter().map(|close| self.terms().realized(close)).sum())
    }

    fn terms(&self) -> Terms {
        Terms {
            entry_price: self.entry_price,
            multiplier: self.multiplier,
            is_short: is_short(self.position_type),
        }
    }

    pub(super) fn events(&self, portfolio: &portfolio::Model) -> Vec<event::ActiveModel> {
        let has_rate = self.currency == portfolio.currency;
        let realized = |close: &NewClose| has_rate.then(|| self.terms().realized(close));
        self.closes.iter().map(|close| close.row(self.id, portfolio.id, realized(close))).collect()
    }
}

impl NewClose {
    pub(super) fn row(
        &self,
        position: PositionId,
        portfolio: PortfolioId,
        realized: Option<Decimal>,
    ) -> event::ActiveModel {
        event::ActiveModel {
            id: Set(self.id),
            position_id: Set(position),
            portfolio_id: Set(portfolio),
            trade_date: Set(self.trade_date),
            quantity_closed: Set(self.quantity),
            price: Set(self.price),
            realized_pnl: Set(realized),
            ..Default::default()
        }
    }
}
