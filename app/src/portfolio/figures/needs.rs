//! Which prices figures need.

use std::collections::BTreeSet;

use chrono::NaiveDate;
use entity::core::position::InvestmentClass;

use super::account::Account;

/// What to load before portfolios can be valued.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// Of lots with a market, and of what options are on; sorted.
    pub symbols: Vec<String>,
    /// Of the portfolios and their lots; sorted.
    pub currencies: Vec<String>,
    /// The first day whose closes are needed.
    pub from: NaiveDate,
}

/// What it takes to value these portfolios from a day on.
pub fn needs<'a>(accounts: impl IntoIterator<Item = &'a Account>, from: NaiveDate) -> Needs {
    let (mut symbols, mut currencies) = (BTreeSet::new(), BTreeSet::new());
    let mut first = from;
    for account in accounts {
        currencies.insert(account.currency.clone());
        for lot in &account.lots {
            currencies.insert(lot.currency.clone());
            if let InvestmentClass::Private = lot.class {
                continue;
            }
            symbols.insert(lot.symbol.clone());
            if let Some(contract) = &lot.contract {
                symbols.insert(contract.underlying.clone());
                // An expired option is worth what its underlying was then.
                if !lot.open_on(from).is_zero() {
                    first = first.min(contract.expires_on);
                }
            }
        }
    }
    Needs {
        symbols: symbols.into_iter().collect(),
        currencies: currencies.into_iter().collect(),
        from: first,
    }
}
