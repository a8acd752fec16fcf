//! Amounts of money.

use rust_decimal::{Decimal, RoundingStrategy};

/// The database keeps 18 digits before the point.
const STORABLE_MAX: Decimal = Decimal::from_parts(2_808_348_672, 232_830_643, 0, false, 0);

/// To cents, half away from zero; what rounds to nothing has no sign.
pub fn cents(exact: Decimal) -> Decimal {
    let rounded = exact.round_dp_with_strategy(2, RoundingStrategy::MidpointAwayFromZero);
    if rounded.is_zero() { Decimal::ZERO } else { rounded }
}

/// `quantity x price x multiplier x rate` to cents. None: more than can be stored.
pub fn amount(quantity: Decimal, price: Decimal, multiplier: Decimal, rate: Decimal) -> Option<Decimal> {
    let exact = quantity.checked_mul(price)?.checked_mul(multiplier)?.checked_mul(rate)?;
    let rounded = cents(exact);
    is_storable(rounded).then_some(rounded)
}

/// Whether a sum fits a column of money.
pub fn is_storable(sum: Decimal) -> bool {
    sum.abs() < STORABLE_MAX
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    #[test]
    fn halves_go_away_from_zero() {
        for (exact, rounded) in [
            ("1.005", "1.01"),
            ("-1.005", "-1.01"),
            ("1.0049999", "1.00"),
            ("0.125", "0.13"),
            ("0.135", "0.14"),
            ("2", "2"),
        ] {
            assert_eq!(
                cents(Decimal::from_str(exact).unwrap()),
                Decimal::from_str(rounded).unwrap(),
                "{exact}"
            );
        }
    }

    #[test]
    fn what_does_not_fit_is_no_amount() {
        let of = |text: &str| Decimal::from_str(text).unwrap();
        assert_eq!(STORABLE_MAX, of("1000000000000000000"));
        let one = Decimal::ONE;
        assert_eq!(amount(of("999999999999"), of("1000000"), one, one), Some(of("999999999999000000")));
        assert_eq!(amount(of("999999999999"), of("1000001"), one, one), None);
        assert_eq!(amount(of("999999999999"), of("999999999999"), of("99999999"), one), None);
    }
}
