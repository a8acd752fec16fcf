//! `[quota]` and `[prices]`: what a user may take, and what models cost.

use std::collections::HashMap;
use std::str::FromStr;

use sea_orm::prelude::Decimal;
use serde::{Deserialize, Deserializer};

/// `[quota]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quota {
    /// Tokens of a user's answers a month; 0: no limit.
    pub monthly_tokens: u64,
    /// US dollars of a user's answers a month; 0: no limit.
    pub monthly_cost_usd: Money,
    /// Messages of a user a month; 0: no limit.
    pub monthly_messages: u64,
    /// Longest answer under a limit of tokens or cost.
    pub answer_tokens: u32,
}

/// `[prices]`, by the name of a model or its beginning.
pub type Prices = HashMap<String, Price>;

/// US dollars per 1,000,000 tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Of a prompt.
    pub input: Money,
    /// Of what the provider had cached of a prompt; none: as `input`.
    pub cached_input: Option<Money>,
    /// Of an answer; none: the model gives none (embeddings).
    pub output: Option<Money>,
}

/// An exact amount, not negative. Written as a number or as text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Money(pub Decimal);

/// More is a mistake.
const MONEY_MAX: u32 = 1_000_000;

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Written {
            Number(f64),
            Text(String),
        }
        // The shortest digits that mean this number are those that were written.
        let written = match Written::deserialize(deserializer)? {
            Written::Number(number) => number.to_string(),
            Written::Text(text) => text.trim().to_owned(),
        };
        let amount = Decimal::from_str(&written).ok();
        amount
            .filter(|amount| !amount.is_sign_negative() && *amount <= Decimal::from(MONEY_MAX))
            .map(Self)
            .ok_or_else(|| {
                serde::de::Error::custom(format!("{written:?} is no amount from 0 to {MONEY_MAX}"))
            })
    }
}

/// Key, value and allowed range of every number.
pub(super) fn ranges(quota: &Quota) -> [(&'static str, u64, u64, u64); 3] {
    [
        ("quota.monthly_tokens", quota.monthly_tokens, 0, 1_000_000_000_000),
        ("quota.monthly_messages", quota.monthly_messages, 0, 1_000_000_000),
        ("quota.answer_tokens", u64::from(quota.answer_tokens), 16, 1_000_000),
    ]
}
