//! `[portfolio]`: what an account comprises.

use entity::core::user::Tier;
use serde::Deserialize;

/// `[portfolio]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Portfolio {
    /// Portfolios of a user of the tier `free`.
    pub free_portfolios: u64,
    /// Portfolios of a user of the tier `paid`.
    pub paid_portfolios: u64,
}

impl Portfolio {
    /// How many portfolios a user of a tier may have.
    pub fn most(&self, tier: Tier) -> u64 {
        match tier {
            Tier::Free => self.free_portfolios,
            Tier::Paid => self.paid_portfolios,
        }
    }
}

/// Key, value and allowed range of every number.
pub(super) fn ranges(portfolio: &Portfolio) -> [(&'static str, u64, u64, u64); 2] {
    [
        ("portfolio.free_portfolios", portfolio.free_portfolios, 0, 10_000),
        ("portfolio.paid_portfolios", portfolio.paid_portfolios, 0, 10_000),
    ]
}
