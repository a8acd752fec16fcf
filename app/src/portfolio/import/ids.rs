//! Deterministic ids: the same file twice is the same rows.
//!
//! Every id is a UUIDv5 in one namespace over its parts, each part preceded by
//! its length:
//!
//! | id | parts |
//! |---|---|
//! | lot | `lot`, portfolio, symbol, type, day of entry or nothing, price, quantity, strike, expiry, ordinal |
//! | close | `close`, lot, day, price, quantity, ordinal |
//! | capital | `flow`, portfolio, day, amount, ordinal |
//!
//! The ordinal tells equal ones of a file apart: two lots bought on one day at
//! one price. Changing anything here changes every id.

use std::collections::HashMap;

use entity::ids::{EquityChangeId, PortfolioId, PositionId, RealizedEventId};
use sea_orm::prelude::Decimal;
use uuid::{Uuid, uuid};

use super::reading::{Close, Flow, Lot};

/// The namespace of imported rows.
const NAMESPACE: Uuid = uuid!("b0c6c6f4-2f0e-5a3c-8d1b-7c52f6f3a9de");

/// Gives ids, and counts equal ones.
#[derive(Debug)]
pub(super) struct Ids {
    portfolio: PortfolioId,
    seen: HashMap<Vec<u8>, u32>,
}

impl Ids {
    pub(super) fn of(portfolio: PortfolioId) -> Self {
        Self { portfolio, seen: HashMap::new() }
    }

    pub(super) fn lot(&mut self, lot: &Lot) -> PositionId {
        let strike = lot.contract.as_ref().map(|contract| digits(contract.strike)).unwrap_or_default();
        let expiry = lot.contract.as_ref().map(|contract| contract.expiry.to_string()).unwrap_or_default();
        // What the file does not say is no part: tomorrow's import of it is the same.
        let day = if lot.is_dated { lot.entry_date.to_string() } else { String::new() };
        let portfolio = self.portfolio.0;
        PositionId(self.next(&[
            b"lot",
            portfolio.as_bytes(),
            lot.symbol.as_bytes(),
            format!("{:?}", lot.position_type).as_bytes(),
            day.as_bytes(),
            digits(lot.entry_price).as_bytes(),
            digits(lot.quantity).as_bytes(),
            strike.as_bytes(),
            expiry.as_bytes(),
        ]))
    }

    pub(super) fn close(&mut self, lot: PositionId, close: &Close) -> RealizedEventId {
        RealizedEventId(self.next(&[
            b"close",
            lot.0.as_bytes(),
            close.date.to_string().as_bytes(),
            digits(close.price).as_bytes(),
            digits(close.quantity).as_bytes(),
        ]))
    }

    pub(super) fn flow(&mut self, flow: &Flow) -> EquityChangeId {
        let portfolio = self.portfolio.0;
        EquityChangeId(self.next(&[
            b"flow",
            portfolio.as_bytes(),
            flow.date.to_string().as_bytes(),
            digits(flow.amount).as_bytes(),
        ]))
    }

    fn next(&mut self, parts: &[&[u8]]) -> Uuid {
        let mut name = Vec::new();
        for part in parts {
            append(&mut name, part);
        }
        let ordinal = self.seen.entry(name.clone()).or_default();
        append(&mut name, &ordinal.to_be_bytes());
        *ordinal += 1;
        Uuid::new_v5(&NAMESPACE, &name)
    }
}

/// Whether an id was given here: the others are UUIDv7.
pub(super) fn is_imported(id: Uuid) -> bool {
    id.get_version_num() == 5
}

fn digits(number: Decimal) -> String {
    number.normalize().to_string()
}

fn append(name: &mut Vec<u8>, part: &[u8]) {
    name.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
    name.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;
    use entity::core::position::{InvestmentClass, PositionType};

    use super::*;

    fn lot(symbol: &str, price: i64) -> Lot {
        Lot {
            line: 2,
            symbol: symbol.to_owned(),
            position_type: PositionType::Long,
            class: InvestmentClass::Public,
            subtype: None,
            quantity: Decimal::new(10, 0),
            multiplier: Decimal::ONE,
            entry_price: Decimal::new(price, 2),
            entry_date: NaiveDate::from_ymd_opt(2024, 1, 5).unwrap(),
            is_dated: true,
            currency: None,
            contract: None,
            notes: None,
            closes: Vec::new(),
        }
    }

    /// Ids are stored: these values never change.
    #[test]
    fn golden_ids() {
        let mut ids = Ids::of(PortfolioId(Uuid::nil()));
        let first = ids.lot(&lot("AAPL", 15_000));
        let again = ids.lot(&lot("AAPL", 15_000));
        assert_ne!(first, again, "two equal lots are two");
        let close =
            Close { line: 3, date: NaiveDate::default(), quantity: Decimal::TEN, price: Decimal::ONE };
        let close = ids.close(first, &close);
        let flow =
            ids.flow(&Flow { line: 1, date: NaiveDate::default(), amount: Decimal::TEN, currency: None });
        let all = [first.0, again.0, close.0, flow.0].map(|id| id.to_string());
        let expected = [
            "dcf35618-869a-5754-8a8c-d1b5e59f10f2",
            "32e1fead-99e7-5dd7-af9e-8066af3b97b6",
            "62899693-9221-5d8e-93c6-785d0ab66c72",
            "bb42c084-3a92-567a-8440-1191340bb55c",
        ];
        assert_eq!(all, expected);
        assert!(is_imported(first.0) && !is_imported(Uuid::now_v7()));
    }

    #[test]
    fn ids_see_what_tells_lots_apart_and_no_trailing_zeros() {
        let id = |lot: &Lot| Ids::of(PortfolioId(Uuid::nil())).lot(lot);
        let one = id(&lot("AAPL", 15_000));
        assert_eq!(one, id(&Lot { entry_price: Decimal::new(150_0000, 4), ..lot("AAPL", 0) }));
        assert_eq!(one, id(&Lot { line: 9, notes: Some("x".to_owned()), ..lot("AAPL", 15_000) }));
        for other in [
            lot("AAPL", 15_001),
            lot("MSFT", 15_000),
            Lot { quantity: Decimal::new(11, 0), ..lot("AAPL", 15_000) },
            Lot { is_dated: false, ..lot("AAPL", 15_000) },
            Lot { position_type: PositionType::Short, ..lot("AAPL", 15_000) },
        ] {
            assert_ne!(one, id(&other));
        }
        assert_ne!(one, Ids::of(PortfolioId(Uuid::max())).lot(&lot("AAPL", 15_000)));
    }
}
