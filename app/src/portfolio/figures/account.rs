//! What figures follow from, besides prices.

use chrono::NaiveDate;
use entity::core::position::{InvestmentClass, PositionType};
use entity::ids::{PortfolioId, PositionId, RealizedEventId};
use sea_orm::prelude::Decimal;

/// A portfolio: its lots and its capital.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Which portfolio.
    pub id: PortfolioId,
    /// ISO 4217 code of all its figures.
    pub currency: String,
    /// Capital at the beginning. None: each purchase brings its own, and each sale takes it out.
    pub equity_balance: Option<Decimal>,
    /// When it was made; its first day if it has capital and nothing else.
    pub created_on: NaiveDate,
    /// Every lot that is not deleted, closed ones as well.
    pub lots: Vec<Lot>,
    /// Capital that came in and went out.
    pub flows: Vec<Flow>,
}

impl Account {
    /// The day its figures begin: of the first lot or flow. None: it has no figures.
    pub fn begins_on(&self) -> Option<NaiveDate> {
        let lots = self.lots.iter().map(|lot| lot.entry_date);
        let first = lots.chain(self.flows.iter().map(|flow| flow.day)).min();
        first.or_else(|| self.equity_balance.map(|_| self.created_on))
    }
}

/// What was bought, or sold short, on one day at one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Which position.
    pub id: PositionId,
    /// By which its closes are found.
    pub symbol: String,
    /// Long or short; share, call or put.
    pub kind: PositionType,
    /// What kind of market it has.
    pub class: InvestmentClass,
    /// Units that were opened; negative when short.
    pub opened: Decimal,
    /// Units of the underlying a contract; 1 for anything else.
    pub multiplier: Decimal,
    /// Of its prices, strike and valuations.
    pub currency: String,
    /// Paid or received a unit.
    pub entry_price: Decimal,
    /// When it was opened.
    pub entry_date: NaiveDate,
    /// Of options.
    pub contract: Option<Contract>,
    /// What was taken from it, oldest first.
    pub closes: Vec<LotClose>,
    /// What its owner says it is worth, oldest first.
    pub valuations: Vec<Valuation>,
}

impl Lot {
    /// What of it is open at the end of a day, in units of its entry; signed.
    pub fn open_on(&self, day: NaiveDate) -> Decimal {
        if day < self.entry_date {
            return Decimal::ZERO;
        }
        let closed: Decimal =
            self.closes.iter().take_while(|close| close.day <= day).map(|close| close.quantity).sum();
        self.opened - self.sign() * closed
    }

    /// 1 when long, -1 when short.
    pub fn sign(&self) -> Decimal {
        if self.opened.is_sign_negative() { Decimal::NEGATIVE_ONE } else { Decimal::ONE }
    }
}

/// What an option is on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// Its symbol.
    pub underlying: String,
    /// A unit of the underlying, as it was when the lot was opened.
    pub strike: Decimal,
    /// Last day.
    pub expires_on: NaiveDate,
}

/// A close of a lot, or of a part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LotClose {
    /// Which event.
    pub id: RealizedEventId,
    /// When.
    pub day: NaiveDate,
    /// Without sign, in units of the lot's entry.
    pub quantity: Decimal,
    /// Paid or received for such a unit.
    pub price: Decimal,
}

/// What an owner says a unit is worth, from a day on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valuation {
    /// From when on.
    pub day: NaiveDate,
    /// A unit of that day.
    pub price: Decimal,
}

/// Capital, in the portfolio's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// When.
    pub day: NaiveDate,
    /// What came in; negative: went out.
    pub amount: Decimal,
}
