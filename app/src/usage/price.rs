//! What a call costs, to the digit.

use sea_orm::prelude::Decimal;

use crate::config::{Price, Prices};
use crate::llm::Usage;

/// Prices are of this many tokens.
const PER: u32 = 1_000_000;
/// Digits of a dollar that are kept, as in the ledger's column.
const DIGITS: u32 = 9;
/// What may stand between the name of an entry and the rest of a model's name.
const BOUNDARIES: [char; 4] = ['-', ':', '@', '/'];

/// The cost of a call in US dollars; none when the model's price is not known.
pub fn cost(prices: &Prices, model: &str, usage: &Usage) -> Option<Decimal> {
    let price = find(prices, model)?;
    let cached = usage.cached_prompt_tokens.min(usage.prompt_tokens);
    let cached_input = price.cached_input.unwrap_or(price.input).0;
    let input = price.input.0 * Decimal::from(usage.prompt_tokens - cached);
    let output = price.output.unwrap_or_default().0 * Decimal::from(usage.completion_tokens);
    let sum = input + cached_input * Decimal::from(cached) + output;
    Some((sum / Decimal::from(PER)).round_dp(DIGITS))
}

/// The longest entry that the name is or begins with.
fn find<'a>(prices: &'a Prices, model: &str) -> Option<&'a Price> {
    let fits = |name: &str| {
        model.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(BOUNDARIES))
    };
    prices.iter().filter(|(name, _)| fits(name)).max_by_key(|(name, _)| name.len()).map(|(_, price)| price)
}

/// An amount as clients see it: text, without zeros that say nothing.
pub(super) fn text(amount: Decimal) -> String {
    amount.normalize().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Env, Settings};

    fn cents(model: &str, prompt: u32, cached: u32, completion: u32) -> Option<String> {
        let prices = Settings::load(&Env::new()).unwrap().prices;
        let usage = Usage {
            prompt_tokens: prompt,
            cached_prompt_tokens: cached,
            completion_tokens: completion,
            ..Usage::default()
        };
        cost(&prices, model, &usage).map(|cost| cost.normalize().to_string())
    }

    #[test]
    fn a_price_is_exact_and_cached_tokens_have_their_own() {
        // 0.15 and 0.6 dollars a million, cached 0.075.
        assert_eq!(cents("gpt-4o-mini", 1000, 0, 500), Some("0.00045".to_owned()));
        assert_eq!(cents("gpt-4o-mini", 1234, 1024, 77), Some("0.0001545".to_owned()));
        assert_eq!(cents("gpt-4o-mini", 1, 1, 0), Some("0.000000075".to_owned()));
        assert_eq!(cents("text-embedding-3-small", 3, 0, 0), Some("0.00000006".to_owned()));
        assert_eq!(cents("gpt-5-nano", 0, 0, 0), Some("0".to_owned()));
    }

    #[test]
    fn the_longest_beginning_of_the_name_wins_and_an_unknown_model_has_no_price() {
        assert_eq!(cents("gpt-4o-mini-2024-07-18", 1_000_000, 0, 0), Some("0.15".to_owned()));
        assert_eq!(cents("gpt-4o-2024-11-20", 1_000_000, 0, 0), Some("2.5".to_owned()));
        assert_eq!(cents("gpt-4.1-mini", 1_000_000, 0, 0), Some("0.4".to_owned()));
        assert_eq!(cents("gpt-4", 1, 0, 0), None);
        assert_eq!(cents("gpt-4omega", 1, 0, 0), None);
        assert_eq!(cents("llama-3.1-8b", 1, 0, 0), None);
    }
}
