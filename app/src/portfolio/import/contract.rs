//! Option contracts, told from their symbols or descriptions.
//!
//! Stored under the symbol of the Options Clearing Corporation without its
//! blanks: `AAPL240119C00150000` is the call on AAPL for 150 of 19 January 2024.

use chrono::{Datelike, NaiveDate};
use sea_orm::prelude::Decimal;

use super::date::{self, Order};
use super::number::{self, Mark};
use crate::portfolio::positions::option_symbol;

/// Units of the underlying a listed contract is for.
pub(super) const MULTIPLIER: u32 = 100;

/// Call or put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// To buy.
    Call,
    /// To sell.
    Put,
}

/// An option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contract {
    /// On what.
    pub underlying: String,
    /// Its last day.
    pub expiry: NaiveDate,
    /// Call or put.
    pub right: Right,
    /// At which price.
    pub strike: Decimal,
}

impl Right {
    /// From `C`, `call`, `P`, `put`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "c" | "call" | "calls" => Some(Self::Call),
            "p" | "put" | "puts" => Some(Self::Put),
            _ => None,
        }
    }
}

impl Contract {
    /// Its symbol; a strike that does not fit the eight digits stands there as it is.
    pub(super) fn symbol(&self) -> String {
        let is_call = self.right == Right::Call;
        if let Some(symbol) = option_symbol(&self.underlying, self.expiry, is_call, self.strike) {
            return symbol;
        }
        let right = if is_call { 'C' } else { 'P' };
        format!("{}{}{right}{}", self.underlying, self.expiry.format("%y%m%d"), self.strike.normalize())
    }

    /// The contract a text names; none if it names none.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let text = text.trim().trim_start_matches('-').trim();
        let words: Vec<&str> = text.split_whitespace().collect();
        match words[..] {
            [whole] => Self::closed(whole),
            [root, rest] => Self::closed(&format!("{root}{rest}")),
            // AAPL 01/19/2024 150.00 C; AAPL 19JAN24 150 C
            [root, day, strike, right] if Right::parse(right).is_some() => Self::of(root, day, right, strike),
            // AAPL 1/19/2024 Call $150.00
            [root, day, right, strike] => Self::of(root, day, right, strike),
            // AAPL Jan 19 '24 $150 Call
            [root, month, day, year, strike, right] if Right::parse(right).is_some() => {
                Self::of(root, &format!("{month} {day} {year}"), right, strike)
            }
            // CALL AAPL 01/19/2024 150
            _ => None,
        }
    }

    fn of(root: &str, day: &str, right: &str, strike: &str) -> Option<Self> {
        let expiry = date::parse(day, Some(Order::MonthFirst)).ok()?;
        let strike = number::parse(strike, Some(Mark::Point)).ok()?;
        Self::checked(root, expiry, Right::parse(right)?, strike)
    }

    /// `AAPL240119C00150000`, `AAPL240119C150`, `AAPL240119C152.5`.
    fn closed(text: &str) -> Option<Self> {
        let begins = text.find(|letter: char| letter.is_ascii_digit())?;
        let (root, rest) = text.split_at_checked(begins)?;
        let (day, rest) = rest.split_at_checked(6)?;
        let (right, strike) = rest.split_at_checked(1)?;
        let expiry = date::parse(&format!("20{day}"), None).ok().filter(|date| date.year() < 2100)?;
        let given = number::parse(strike, Some(Mark::Point)).ok()?;
        let is_occ = strike.len() == 8 && strike.bytes().all(|byte| byte.is_ascii_digit());
        let strike = if is_occ { given / Decimal::from(1000) } else { given };
        Self::checked(root, expiry, Right::parse(right)?, strike)
    }

    fn checked(root: &str, expiry: NaiveDate, right: Right, strike: Decimal) -> Option<Self> {
        // Classes of shares: most sources of prices write a point.
        let underlying = root.to_ascii_uppercase().replace('/', ".");
        let is_root = (1..=6).contains(&underlying.len())
            && underlying.bytes().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'.' | b'^'));
        (is_root && strike > Decimal::ZERO).then(|| Self {
            underlying,
            expiry,
            right,
            strike: strike.normalize(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_are_told_from_every_form() {
        for text in [
            "AAPL240119C00150000",
            "AAPL  240119C00150000",
            "-AAPL240119C150",
            " -AAPL240119C150",
            "AAPL 01/19/2024 150.00 C",
            "AAPL 19JAN24 150 C",
            "AAPL Jan 19 '24 $150 Call",
            "AAPL 1/19/2024 Call $150.00",
            "aapl240119c150",
        ] {
            let contract = Contract::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(contract.symbol(), "AAPL240119C00150000", "{text}");
            assert_eq!((contract.underlying.as_str(), contract.right), ("AAPL", Right::Call));
        }
        let put = Contract::parse("SPY 3/20/2026 Put $1,582.50").unwrap();
        assert_eq!((put.symbol().as_str(), put.right), ("SPY260320P01582500", Right::Put));
        for text in [
            "AAPL",
            "BRK/B",
            "7203.T",
            "EUR/USD",
            "AAPL240119X00150000",
            "AAPL241319C00150000",
            "240119C00150000",
            "AAPL240119C0",
            "SPAXX**",
            "Vanguard Total Stock Market",
            "",
        ] {
            assert_eq!(Contract::parse(text), None, "{text}");
        }
    }
}
