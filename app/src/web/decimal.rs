//! Money, prices and quantities in JSON.
//!
//! They are read without loss: from the digits of a number, or of a string, never through
//! binary fractions. They are answered as JSON numbers, which most clients read as binary
//! fractions: exact to 15 digits, so to the cent below ten trillions.

use std::str::FromStr;

use sea_orm::prelude::Decimal;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

/// Digits before the point.
const INTEGER_DIGITS_MAX: u32 = 12;
/// Digits after it.
const DECIMALS_MAX: u32 = 8;
/// Longest spelling that is looked at.
const CHARACTERS_MAX: usize = 64;

/// An exact amount: a JSON number, or its digits as a string; at most 12 digits before the
/// point and 8 after it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = f64)]
pub struct Money(pub Decimal);

impl From<Decimal> for Money {
    fn from(amount: Decimal) -> Self {
        Self(amount)
    }
}

impl From<Money> for Decimal {
    fn from(money: Money) -> Self {
        money.0
    }
}

impl FromStr for Money {
    type Err = String;

    /// Reads `-12.5`, `.5` or `1.25e3`; the error is for people to read.
    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > CHARACTERS_MAX {
            return Err(format!("has more than {CHARACTERS_MAX} characters"));
        }
        let is_scientific = text.contains(['e', 'E']);
        let read = if is_scientific { Decimal::from_scientific(text) } else { Decimal::from_str_exact(text) };
        let is_number = text.bytes().any(|byte| byte.is_ascii_digit()) && !text.contains('_');
        let amount = read.ok().filter(|_| is_number).ok_or_else(too_much_or_none)?.normalize();
        let whole = Decimal::from(10_u64.pow(INTEGER_DIGITS_MAX));
        if amount.scale() > DECIMALS_MAX || amount.abs() >= whole {
            return Err(too_much_or_none());
        }
        Ok(Self(amount))
    }
}

fn too_much_or_none() -> String {
    format!(
        "must be a number with at most {INTEGER_DIGITS_MAX} digits before the point and {DECIMALS_MAX} after it"
    )
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        let text = match raw.get() {
            quoted if quoted.starts_with('"') => serde_json::from_str(quoted).map_err(D::Error::custom)?,
            other => other.to_owned(),
        };
        text.parse().map_err(D::Error::custom)
    }
}

impl Serialize for Money {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // The nearest binary fraction to the digits: its shortest spelling is these digits again.
        let number: f64 = self.0.normalize().to_string().parse().map_err(S::Error::custom)?;
        serializer.serialize_f64(number)
    }
}

/// A check for `#[garde(custom(..))]`: more than nothing.
pub fn positive(amount: &Money, _: &()) -> garde::Result {
    if amount.0 > Decimal::ZERO { Ok(()) } else { Err(garde::Error::new("must be more than 0")) }
}

/// A check for `#[garde(custom(..))]`: nothing or more.
pub fn not_negative(amount: &Money, _: &()) -> garde::Result {
    if amount.0 >= Decimal::ZERO { Ok(()) } else { Err(garde::Error::new("must not be negative")) }
}

/// A check for `#[garde(custom(..))]`: whole cents.
pub fn in_cents(amount: &Money, _: &()) -> garde::Result {
    if amount.0.normalize().scale() <= 2 {
        return Ok(());
    }
    Err(garde::Error::new("must have at most 2 digits after the point"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Body {
        amount: Option<Money>,
    }

    fn read(json: &str) -> Result<Option<Decimal>, String> {
        let body: Body = serde_json::from_str(json).map_err(|error| error.to_string())?;
        Ok(body.amount.map(|amount| amount.0))
    }

    #[test]
    fn digits_are_read_as_they_stand() {
        for (given, digits) in [
            ("0.1", "0.1"),
            ("-0.30", "-0.3"),
            ("123456789012.12345678", "123456789012.12345678"),
            ("\"123456789012.12345678\"", "123456789012.12345678"),
            ("\" 5 \"", "5"),
            ("1e3", "1000"),
            ("1.25E-2", "0.0125"),
            ("0", "0"),
            ("-0", "0"),
            ("1.000000000000", "1"),
        ] {
            let amount = read(&format!("{{\"amount\": {given}}}")).unwrap().unwrap();
            assert_eq!(amount.to_string(), digits, "{given}");
        }
        assert_eq!(read("{\"amount\": null}").unwrap(), None);
        assert_eq!(read("{}").unwrap(), None);
    }

    #[test]
    fn what_is_none_or_too_much_is_said() {
        for given in [
            "1234567890123",
            "0.123456789",
            "1e12",
            "1e999",
            "1e-9",
            "\"\"",
            "\"1_000\"",
            "\"1,5\"",
            "\"$5\"",
            "\"NaN\"",
            "true",
            "[]",
            "{}",
            &format!("0.{}", "0".repeat(100)),
        ] {
            let error = read(&format!("{{\"amount\": {given}}}")).unwrap_err();
            assert!(
                error.contains("digits before the point") || error.contains("characters"),
                "{given}: {error}"
            );
        }
    }

    #[test]
    fn the_path_of_a_wrong_amount_is_kept() {
        let mut reader = serde_json::Deserializer::from_str("{\"amount\": \"x\"}");
        let error = serde_path_to_error::deserialize::<_, Body>(&mut reader).unwrap_err();
        assert_eq!(error.path().to_string(), "amount");
        // As an item of a list that was read before.
        let error = serde_path_to_error::deserialize::<_, Body>(json!({ "amount": "x" })).unwrap_err();
        assert_eq!(error.path().to_string(), "amount");
        let body: Body = serde_json::from_value(json!({ "amount": 0.1 })).unwrap();
        assert_eq!(body.amount.unwrap().0.to_string(), "0.1");
    }

    #[test]
    fn cents_come_out_as_they_went_in() {
        for cents in [1_i64, 10, 29, 12_345, 99_999_999_999_999] {
            let money = Money(Decimal::new(cents, 2));
            let json = serde_json::to_string(&money).unwrap();
            assert_eq!(json.parse::<Money>().unwrap(), Money(money.0.normalize()), "{json}");
        }
        assert_eq!(serde_json::to_value(Money(Decimal::new(1_500_000, 4))).unwrap(), json!(150.0));
        assert!(matches!(serde_json::to_value(Money::default()).unwrap(), Value::Number(_)));
    }
}
