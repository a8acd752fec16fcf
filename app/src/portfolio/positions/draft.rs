//! A lot as somebody gives it, and what makes it one.

use chrono::NaiveDate;
use entity::core::portfolio;
use entity::core::position::{InvestmentClass, PositionType};
use entity::ids::PositionId;
use sea_orm::prelude::Decimal;

use super::contract::option_symbol;
use super::fault::Fault;
use super::lot::{LISTED_CONTRACT, NewLot};
use crate::market;
use crate::portfolio::day;

/// Characters of a subtype.
const SUBTYPE_CHARACTERS: usize = 30;
/// Characters of notes.
const NOTES_CHARACTERS: usize = 5000;
/// Largest multiplier.
const MULTIPLIER_MAX: i64 = 10_000_000;
/// Quantities and prices are below it.
const AMOUNT_END: Decimal = Decimal::from_parts(3_567_587_328, 232, 0, false, 0);
/// What all of a lot costs is below it, so that no sum of lots is more than is stored.
const VALUE_END: Decimal = Decimal::from_parts(2_764_472_320, 232_830, 0, false, 0);

/// A lot as it was given: by the API, by an import. What is none has a default, or is wrong.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Ticker; of an option it may be left out.
    pub symbol: Option<String>,
    /// Positive for every type; negative too when short.
    pub quantity: Decimal,
    /// None: long, or short when the quantity is negative.
    pub position_type: Option<PositionType>,
    /// None: options for options, else public.
    pub investment_class: Option<InvestmentClass>,
    /// Finer than the class.
    pub investment_subtype: Option<String>,
    /// A unit.
    pub entry_price: Decimal,
    /// When it was opened; none: today.
    pub entry_date: Option<NaiveDate>,
    /// None: 100 for options, else 1.
    pub multiplier: Option<Decimal>,
    /// None: the portfolio's.
    pub currency: Option<String>,
    /// Of options.
    pub underlying_symbol: Option<String>,
    /// Of options.
    pub strike_price: Option<Decimal>,
    /// Of options.
    pub expiration_date: Option<NaiveDate>,
    /// The owner's words.
    pub notes: Option<String>,
}

/// What only options have.
struct Contract {
    underlying: String,
    strike: Decimal,
    expiration: NaiveDate,
}

impl Draft {
    /// The lot that this is in a portfolio, under this id; everything that is wrong with it otherwise.
    pub fn check(
        self,
        id: PositionId,
        portfolio: &portfolio::Model,
        today: NaiveDate,
    ) -> Result<NewLot, Vec<Fault>> {
        let mut faults = Vec::new();
        let position_type = self.position_type.unwrap_or(if self.quantity.is_sign_negative() {
            PositionType::Short
        } else {
            PositionType::Long
        });
        let is_option = is_option(position_type);
        let class = self.investment_class.unwrap_or(if is_option {
            InvestmentClass::Options
        } else {
            InvestmentClass::Public
        });
        if is_option != (class == InvestmentClass::Options) {
            faults.push(Fault::ClassOfType);
        }
        let entry_date = self.entry_date.unwrap_or(today);
        faults.extend(wrong_entry(self.entry_price, entry_date, today));
        let contract = self.contract(is_option, entry_date, &mut faults);
        let symbol = self.symbol(contract.as_ref(), is_call(position_type));
        if symbol.is_none() {
            faults.push(Fault::Symbol);
        }
        let quantity = signed(self.quantity, position_type);
        faults.extend(quantity.err());
        let multiplier = self.multiplier.unwrap_or(if is_option { LISTED_CONTRACT } else { Decimal::ONE });
        if multiplier <= Decimal::ZERO
            || multiplier > Decimal::from(MULTIPLIER_MAX)
            || multiplier.normalize().scale() > 4
        {
            faults.push(Fault::Multiplier);
        }
        let currency = self.currency.unwrap_or_else(|| portfolio.currency.clone());
        if !is_currency(&currency) {
            faults.push(Fault::Currency);
        }
        if quantity.is_ok_and(|quantity| !is_stored(quantity, self.entry_price, multiplier)) {
            faults.push(Fault::Value);
        }
        if self.investment_subtype.as_deref().is_some_and(|text| !is_subtype(text)) {
            faults.push(Fault::Subtype);
        }
        if self.notes.as_deref().is_some_and(|text| !is_notes(text)) {
            faults.push(Fault::Notes);
        }
        let (Some(symbol), Ok(opened_quantity), true) = (symbol, quantity, faults.is_empty()) else {
            return Err(faults);
        };
        Ok(NewLot {
            id,
            symbol,
            position_type,
            investment_class: class,
            investment_subtype: self.investment_subtype,
            opened_quantity,
            multiplier,
            currency,
            entry_price: self.entry_price,
            entry_date,
            strike_price: contract.as_ref().map(|contract| contract.strike),
            expiration_date: contract.as_ref().map(|contract| contract.expiration),
            underlying_symbol: contract.map(|contract| contract.underlying),
            notes: self.notes,
            closes: Vec::new(),
        })
    }

    /// What makes it an option; none of a share, or when something of it is wrong.
    fn contract(&self, is_option: bool, entry: NaiveDate, faults: &mut Vec<Fault>) -> Option<Contract> {
        if !is_option {
            let given = self.underlying_symbol.is_some()
                || self.strike_price.is_some()
                || self.expiration_date.is_some();
            if given {
                faults.push(Fault::NoContract);
            }
            return None;
        }
        let underlying = self.underlying_symbol.as_deref().and_then(market::normalised);
        let strike = self.strike_price.filter(|strike| *strike > Decimal::ZERO && is_amount(*strike));
        let expiration = self.expiration_date.filter(|day| day::is_plausible(*day));
        if underlying.is_none() {
            faults.push(Fault::Underlying);
        }
        if strike.is_none() {
            faults.push(Fault::Strike);
        }
        match expiration {
            None => faults.push(Fault::Expiration),
            Some(day) if day < entry => faults.push(Fault::Expired),
            Some(_) => {}
        }
        Some(Contract { underlying: underlying?, strike: strike?, expiration: expiration? })
    }

    /// As it is stored. An option that is named by its underlying alone gets its contract's symbol.
    fn symbol(&self, contract: Option<&Contract>, is_call: bool) -> Option<String> {
        let given = match self.symbol.as_deref().map(str::trim) {
            Some(given) if !given.is_empty() => Some(market::normalised(given)?),
            _ => None,
        };
        let Some(contract) = contract else { return given };
        if let Some(given) = given
            && given != contract.underlying
        {
            return Some(given);
        }
        option_symbol(&contract.underlying, contract.expiration, is_call, contract.strike)
    }
}

/// Whether a lot of this type is sold before it is bought.
pub fn is_short(position_type: PositionType) -> bool {
    matches!(position_type, PositionType::Short | PositionType::ShortCall | PositionType::ShortPut)
}

/// Whether a lot of this type is a contract on something else.
pub fn is_option(position_type: PositionType) -> bool {
    !matches!(position_type, PositionType::Long | PositionType::Short)
}

/// Whether it is a contract to buy.
pub fn is_call(position_type: PositionType) -> bool {
    matches!(position_type, PositionType::LongCall | PositionType::ShortCall)
}

/// A quantity with the sign of its type, which may be given or not for what is short.
pub(super) fn signed(quantity: Decimal, position_type: PositionType) -> Result<Decimal, Fault> {
    let quantity = quantity.normalize();
    if quantity.is_zero() || !is_amount(quantity) {
        return Err(Fault::Quantity);
    }
    match (is_short(position_type), quantity.is_sign_negative()) {
        (false, true) => Err(Fault::Sign),
        (false, false) => Ok(quantity),
        (true, _) => Ok(-quantity.abs()),
    }
}

/// What is wrong with a price and a day of entry.
pub(super) fn wrong_entry(price: Decimal, day: NaiveDate, today: NaiveDate) -> Vec<Fault> {
    let mut faults = Vec::new();
    if price < Decimal::ZERO || !is_amount(price) {
        faults.push(Fault::EntryPrice);
    }
    if !day::is_plausible(day) {
        faults.push(Fault::EntryDate);
    } else if day > today {
        faults.push(Fault::EntryInFuture);
    }
    faults
}

/// Whether a quantity or a price can be stored as it is.
pub(super) fn is_amount(number: Decimal) -> bool {
    number.abs() < AMOUNT_END && number.normalize().scale() <= 8
}

/// Whether what so much costs can be stored.
pub(super) fn is_stored(quantity: Decimal, price: Decimal, multiplier: Decimal) -> bool {
    let value = quantity.checked_mul(price).and_then(|value| value.checked_mul(multiplier));
    value.is_some_and(|value| value.abs() < VALUE_END)
}

/// An ISO 4217 code by its form.
pub fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

pub(super) fn is_subtype(text: &str) -> bool {
    !text.trim().is_empty() && text.chars().count() <= SUBTYPE_CHARACTERS && !text.contains('\0')
}

pub(super) fn is_notes(text: &str) -> bool {
    text.chars().count() <= NOTES_CHARACTERS && !text.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_are_what_they_are_called() {
        assert_eq!(AMOUNT_END, Decimal::from(10_u64.pow(12)));
        assert_eq!(VALUE_END, Decimal::from(10_u64.pow(15)));
        assert!(is_amount("999999999999.99999999".parse().unwrap()));
        assert!(!is_amount(AMOUNT_END) && !is_amount(-AMOUNT_END));
        assert!(!is_stored(Decimal::MAX, Decimal::MAX, Decimal::MAX));
    }
}
