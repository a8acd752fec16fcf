//! The symbol of a listed option, as the Options Clearing Corporation writes it (the
//! Options Symbology Initiative's key), without the blanks that fill up the root.

use chrono::NaiveDate;
use sea_orm::prelude::Decimal;

/// Letters and digits of the underlying in it.
const ROOT_MAX: usize = 6;
/// Thousandths of the strike, in eight digits.
const STRIKE_MAX: i64 = 99_999_999;

/// `AAPL240621C00190000`: root, expiration, call or put, strike in thousandths. None when the
/// underlying or the strike does not fit.
pub fn option_symbol(
    underlying: &str,
    expiration: NaiveDate,
    is_call: bool,
    strike: Decimal,
) -> Option<String> {
    let root: String = underlying.chars().filter(char::is_ascii_alphanumeric).collect();
    let thousandths = strike.checked_mul(Decimal::ONE_THOUSAND)?.normalize();
    let thousandths: i64 = (thousandths.scale() == 0).then(|| i64::try_from(thousandths).ok())??;
    if !(1..=ROOT_MAX).contains(&root.len()) || !(1..=STRIKE_MAX).contains(&thousandths) {
        return None;
    }
    let right = if is_call { 'C' } else { 'P' };
    Some(format!("{root}{}{right}{thousandths:08}", expiration.format("%y%m%d")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contracts_have_the_symbol_of_the_clearing_house() {
        let day = NaiveDate::from_ymd_opt(2024, 6, 21).unwrap();
        let of = |underlying: &str, is_call, strike: &str| {
            option_symbol(underlying, day, is_call, strike.parse().unwrap())
        };
        for (underlying, is_call, strike, symbol) in [
            ("AAPL", true, "190", Some("AAPL240621C00190000")),
            ("BRK.B", false, "412.5", Some("BRKB240621P00412500")),
            ("F", true, "0.5", Some("F240621C00000500")),
            ("SPX", true, "99999.999", Some("SPX240621C99999999")),
            ("SPX", true, "100000", None),
            ("SPX", true, "1.0001", None),
            ("LONGROOT", true, "1", None),
            ("^", true, "1", None),
        ] {
            assert_eq!(of(underlying, is_call, strike).as_deref(), symbol, "{underlying} {strike}");
        }
    }
}
