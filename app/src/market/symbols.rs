//! Symbols: how they are written, and which of them are followed.

use chrono::NaiveDate;
use sea_orm::{DbBackend, Statement};

use crate::db::CoreConn;
use crate::error::Result;

/// Longest symbol; a listed option's has 21 characters.
const CHARACTERS_MAX: usize = 32;

/// A symbol as it is stored: upper case, a pair of currencies as `EUR/USD`.
/// None if it is none: letters, digits and `.`, `-`, `/`, `=`, `^`, `:`, `_`
/// and inner single blanks are allowed, 1 to 32 of them, beginning with a letter, a digit or `^`.
pub fn normalised(text: &str) -> Option<String> {
    let symbol = text.trim().to_uppercase();
    let is_allowed = |character: char| character.is_ascii_alphanumeric() || ".-/=^:_ ".contains(character);
    let begins_well = symbol.starts_with(|first: char| first.is_ascii_alphanumeric() || first == '^');
    if !begins_well
        || symbol.len() > CHARACTERS_MAX
        || !symbol.chars().all(is_allowed)
        || symbol.contains("  ")
    {
        return None;
    }
    Some(pair(&symbol).unwrap_or(symbol))
}

/// `EURUSD=X`, as some providers write pairs.
fn pair(symbol: &str) -> Option<String> {
    let pair = symbol.strip_suffix("=X")?;
    let is_pair = pair.len() == 6 && pair.bytes().all(|byte| byte.is_ascii_uppercase());
    is_pair.then(|| format!("{}/{}", &pair[..3], &pair[3..]))
}

/// A symbol that somebody holds or imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// As [`normalised`].
    pub symbol: String,
    /// `equity`, `etf`, `fund`, `option`, `index`, `fx` or `other`.
    pub asset_type: &'static str,
    /// Of its prices, if known.
    pub currency: Option<String>,
}

/// Follows symbols from now on. What is known of them already stays.
/// `changed_from`: closes or events from this day on changed.
pub async fn watch(core: &impl CoreConn, symbols: &[Watched], changed_from: Option<NaiveDate>) -> Result<()> {
    if symbols.is_empty() {
        return Ok(());
    }
    // Always in the same order: two imports of the same symbols must not wait for each other.
    let mut sorted: Vec<&Watched> = symbols.iter().collect();
    sorted.sort_by(|one, other| one.symbol.cmp(&other.symbol));
    sorted.dedup_by(|one, other| one.symbol == other.symbol);
    let column = |of: fn(&Watched) -> &str| -> Vec<String> {
        sorted.iter().map(|watched| of(watched).to_owned()).collect()
    };
    let statement = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "INSERT INTO symbol_universe AS known (symbol, asset_type, currency, changed_from)
         SELECT symbol, asset_type, nullif(currency, ''), $4::date
           FROM unnest($1::text[], $2::text[], $3::text[]) AS given (symbol, asset_type, currency)
         ON CONFLICT ON CONSTRAINT pk_symbol_universe DO UPDATE
            SET currency = coalesce(known.currency, excluded.currency),
                changed_from = least(known.changed_from, excluded.changed_from),
                last_seen_date = CURRENT_DATE, is_active = true, updated_at = now()",
        [
            column(|watched| &watched.symbol).into(),
            column(|watched| watched.asset_type).into(),
            column(|watched| watched.currency.as_deref().unwrap_or_default()).into(),
            changed_from.into(),
        ],
    );
    core.execute_raw(statement).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn symbols_have_one_spelling() {
        for (given, stored) in [
            ("aapl", Some("AAPL")),
            (" brk.b ", Some("BRK.B")),
            ("eurusd=x", Some("EUR/USD")),
            ("EUR/USD", Some("EUR/USD")),
            ("^GSPC", Some("^GSPC")),
            ("AAPL  240621C00190000", None),
            ("AAPL240621C00190000", Some("AAPL240621C00190000")),
            ("", None),
            ("=1+1", None),
            ("A\0", None),
            ("ünicode", None),
            ("A234567890123456789012345678901234", None),
        ] {
            assert_eq!(normalised(given).as_deref(), stored, "{given}");
        }
    }
}
