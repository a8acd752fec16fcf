//! How much of a portfolio stands on how little.

use std::collections::BTreeMap;

use sea_orm::prelude::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

use super::holdings::{ratio, symbol};
use super::load::View;
use crate::portfolio::figures::cents;
use crate::web::Money;

/// Symbols that are named.
const NAMED: usize = 10;

/// A symbol's part.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct SymbolShare {
    /// The symbol; of an option its underlying's.
    pub symbol: String,
    /// Values of its lots without their sign.
    pub gross_value: Money,
    /// The same over the portfolio's gross exposure.
    pub weight: f64,
}

/// How much of a portfolio stands on how little. Weights are of symbols, by values without their sign.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Concentration {
    /// Herfindahl-Hirschman index: the sum of the squares of the weights in percent; 10,000: all in one.
    pub hhi: Option<f64>,
    /// As many equal weights would have this index: 10,000 / HHI.
    pub effective_positions: Option<f64>,
    /// Weight of the three largest.
    pub top_3: Option<f64>,
    /// Weight of the ten largest.
    pub top_10: Option<f64>,
    /// Symbols with a value.
    pub symbols: usize,
    /// The ten largest.
    pub largest: Vec<SymbolShare>,
}

/// How much of a portfolio stands on how little.
pub fn concentration(view: &View) -> Concentration {
    of(values(view, Decimal::ONE))
}

/// Symbols of open lots, and their values times a rate.
pub(super) fn values(view: &View, rate: Decimal) -> impl Iterator<Item = (String, Option<Decimal>)> {
    view.book
        .positions
        .iter()
        .map(move |valued| (symbol(view, valued), valued.worth.map(|worth| cents(worth.market_value * rate))))
}

/// The same of symbols and values, whosever they are.
pub(super) fn of(values: impl Iterator<Item = (String, Option<Decimal>)>) -> Concentration {
    let mut sums: BTreeMap<String, Decimal> = BTreeMap::new();
    for (symbol, value) in values {
        *sums.entry(symbol).or_default() += value.unwrap_or_default().abs();
    }
    let gross: Decimal = sums.values().sum();
    let mut shares: Vec<SymbolShare> = sums
        .into_iter()
        .filter_map(|(symbol, sum)| {
            let weight = ratio(sum, gross).filter(|weight| *weight > 0.0)?;
            Some(SymbolShare { symbol, gross_value: Money(sum), weight })
        })
        .collect();
    shares.sort_by(|one, other| {
        other.gross_value.cmp(&one.gross_value).then_with(|| one.symbol.cmp(&other.symbol))
    });
    let has_any = !shares.is_empty();
    let hhi: f64 = shares.iter().map(|share| (share.weight * 100.0).powi(2)).sum();
    let top = |count: usize| has_any.then(|| shares.iter().take(count).map(|share| share.weight).sum());
    Concentration {
        hhi: has_any.then_some(hhi),
        effective_positions: has_any.then_some(10_000.0 / hhi),
        top_3: top(3),
        top_10: top(10),
        symbols: shares.len(),
        largest: shares.into_iter().take(NAMED).collect(),
    }
}
