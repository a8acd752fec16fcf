//! Lots and their prices, brought together once; then valued on any day.

use chrono::NaiveDate;
use entity::core::position::InvestmentClass;
use sea_orm::prelude::Decimal;

use super::account::{Account, Lot, LotClose};
use super::amount::{amount, cents, is_storable};
use super::mark::{Mark, quote};
use crate::market::{Market, Series};

/// A portfolio with its prices.
#[derive(Debug)]
pub struct Priced<'a> {
    pub(super) account: &'a Account,
    pub(super) lots: Vec<PricedLot<'a>>,
    market: &'a Market,
    /// Every currency that is used; a lot names its own by its place.
    currencies: Vec<&'a str>,
}

#[derive(Debug)]
pub(super) struct PricedLot<'a> {
    pub(super) lot: &'a Lot,
    pub(super) series: &'a Series,
    underlying: &'a Series,
    currency: usize,
    /// Of its closes.
    market_currency: usize,
    /// From its currency to the portfolio's, on the day of its entry.
    pub(super) entry_rate: Option<Decimal>,
}

/// An open lot at the end of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Valued {
    /// Its place among the account's lots.
    pub lot: usize,
    /// In units of the day, signed.
    pub quantity: Decimal,
    /// What a unit is worth.
    pub mark: Mark,
    /// In the portfolio's currency. None: a rate of exchange is missing, or it is more than can be stored.
    pub worth: Option<Worth>,
}

/// Sums of a lot in the portfolio's currency, signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Worth {
    /// At the mark.
    pub market_value: Decimal,
    /// At the entry price.
    pub cost_basis: Decimal,
    /// Value less cost.
    pub unrealized_pnl: Decimal,
}

/// Rates from each currency to the portfolio's on a day.
pub(super) type Rates = Vec<Option<Decimal>>;

impl<'a> Priced<'a> {
    /// Brings them together.
    pub fn new(account: &'a Account, market: &'a Market) -> Self {
        let mut priced =
            Self { account, lots: Vec::with_capacity(account.lots.len()), market, currencies: Vec::new() };
        for lot in &account.lots {
            let series = match lot.class {
                InvestmentClass::Private => nothing(market),
                InvestmentClass::Public | InvestmentClass::Options => of_symbol(market, &lot.symbol),
            };
            let underlying = lot.contract.as_ref().map_or("", |contract| &contract.underlying);
            let currency = priced.place_of(&lot.currency);
            let market_currency = series.currency().map_or(currency, |currency| priced.place_of(currency));
            priced.lots.push(PricedLot {
                lot,
                series,
                underlying: of_symbol(market, underlying),
                currency,
                market_currency,
                entry_rate: market.fx(&lot.currency, &account.currency, lot.entry_date),
            });
        }
        priced
    }

    fn place_of(&mut self, currency: &'a str) -> usize {
        self.currencies.iter().position(|known| *known == currency).unwrap_or_else(|| {
            self.currencies.push(currency);
            self.currencies.len() - 1
        })
    }

    /// The lots that are open at the end of a day, in the account's order.
    pub fn on(&self, day: NaiveDate) -> impl Iterator<Item = Valued> + '_ {
        let rates = self.rates(day);
        (0..self.lots.len()).filter_map(move |place| self.value(place, day, &rates))
    }

    pub(super) fn rates(&self, day: NaiveDate) -> Rates {
        self.currencies.iter().map(|from| self.market.fx(from, &self.account.currency, day)).collect()
    }

    fn value(&self, place: usize, day: NaiveDate, rates: &Rates) -> Option<Valued> {
        let priced = self.lots.get(place)?;
        let lot = priced.lot;
        let open = lot.open_on(day);
        if open.is_zero() {
            return None;
        }
        let quote = quote(lot, priced.series, priced.underlying, day);
        let currency = if quote.is_market { priced.market_currency } else { priced.currency };
        let rate = rates[currency];
        let worth = || {
            let units = open.checked_mul(priced.series.split_factor(lot.entry_date, quote.day)?)?;
            let market_value = amount(units, quote.price, lot.multiplier, rate?)?;
            let cost_basis = priced.cost(open)?;
            Some(Worth { market_value, cost_basis, unrealized_pnl: market_value - cost_basis })
        };
        // For people to read: today's units, the lot's currency.
        let price = || {
            let one = quote.price.checked_div(priced.series.split_factor(quote.day, day)?)?;
            if currency == priced.currency {
                return Some(one);
            }
            one.checked_mul(rate?)?.checked_div(rates[priced.currency]?)
        };
        let units = || open.checked_mul(priced.series.split_factor(lot.entry_date, day)?);
        Some(Valued {
            lot: place,
            quantity: units().unwrap_or(open),
            mark: Mark { price: price().unwrap_or(quote.price), day: quote.day, source: quote.source },
            worth: worth(),
        })
    }

    /// What a close brought in the portfolio's currency: proceeds less cost. None: a rate is missing.
    pub fn realized(&self, lot: usize, close: &LotClose) -> Option<Decimal> {
        let priced = self.lots.get(lot)?;
        let lot = priced.lot;
        let rate = self.rate(&lot.currency, close.day)?;
        let paid = lot.entry_price.checked_mul(priced.entry_rate?)?;
        let gain = close.price.checked_mul(rate)?.checked_sub(paid)?;
        let exact = close.quantity.checked_mul(lot.sign())?.checked_mul(gain)?.checked_mul(lot.multiplier)?;
        let rounded = cents(exact);
        is_storable(rounded).then_some(rounded)
    }

    pub(super) fn rate(&self, from: &str, day: NaiveDate) -> Option<Decimal> {
        self.market.fx(from, &self.account.currency, day)
    }
}

impl PricedLot<'_> {
    /// What these units of the entry cost.
    pub(super) fn cost(&self, units: Decimal) -> Option<Decimal> {
        amount(units, self.lot.entry_price, self.lot.multiplier, self.entry_rate?)
    }

    /// In which its events pay.
    pub(super) fn event_currency(&self) -> &str {
        self.series.currency().unwrap_or(&self.lot.currency)
    }
}

fn of_symbol<'a>(market: &'a Market, symbol: &str) -> &'a Series {
    market.find(symbol).unwrap_or_else(|| nothing(market))
}

fn nothing(market: &Market) -> &Series {
    market.series(usize::MAX)
}
