//! What can be wrong with a lot.

use crate::error::{Error, FieldError};

/// A fault of a lot. Its field and its words are what the API answers; an import gives each
/// a code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Fault {
    /// Not a symbol.
    #[error("must be a symbol: 1 to 32 letters, digits and . - / = ^ : _, beginning with a letter or digit")]
    Symbol,
    /// Nothing, or finer than is stored.
    #[error("must not be 0, with at most 12 digits before the point and 8 after it")]
    Quantity,
    /// Negative, and of a type that is long.
    #[error("must be positive: the position's type is long")]
    Sign,
    /// Quantity times price, more than can be stored.
    #[error("times price and multiplier must be less than 1000000000000000")]
    Value,
    /// Negative, or finer than is stored.
    #[error("must not be negative, with at most 12 digits before the point and 8 after it")]
    EntryPrice,
    /// Centuries away.
    #[error("must be a day from 1900 to 2200")]
    EntryDate,
    /// Not yet.
    #[error("must not be in the future (UTC)")]
    EntryInFuture,
    /// Class and type do not go together.
    #[error("OPTIONS goes with LC, LP, SC and SP, and only with these")]
    ClassOfType,
    /// Too long, or blank.
    #[error("must have 1 to 30 characters")]
    Subtype,
    /// Not a multiplier.
    #[error("must be more than 0 and at most 10000000, with at most 4 digits after the point")]
    Multiplier,
    /// Not a currency.
    #[error("must be an ISO 4217 code of three capital letters")]
    Currency,
    /// An option's fields on what is none.
    #[error("underlying_symbol, strike_price and expiration_date are of options only")]
    NoContract,
    /// Absent, or not a symbol.
    #[error("an option needs the symbol of its underlying")]
    Underlying,
    /// Absent, or not positive.
    #[error("an option needs a strike price of more than 0")]
    Strike,
    /// Absent, or centuries away.
    #[error("an option needs an expiration date from 1900 to 2200")]
    Expiration,
    /// Opened after its end.
    #[error("must not be before the entry date")]
    Expired,
    /// Too long.
    #[error("must have at most 5000 characters, without the NUL character")]
    Notes,
    /// Nothing, or finer than is stored.
    #[error("must be more than 0, with at most 8 digits after the point")]
    CloseQuantity,
    /// Negative, or finer than is stored.
    #[error("must not be negative, with at most 12 digits before the point and 8 after it")]
    ClosePrice,
    /// Before the lot was opened.
    #[error("must not be before the entry date")]
    CloseBeforeEntry,
    /// Not yet.
    #[error("must not be in the future (UTC)")]
    CloseInFuture,
    /// More than there is.
    #[error("must not be more than is open")]
    CloseTooMuch,
}

impl Fault {
    /// The field of the API that is wrong.
    pub fn field(self) -> &'static str {
        match self {
            Self::Symbol => "symbol",
            Self::Quantity | Self::Sign | Self::Value => "quantity",
            Self::EntryPrice => "entry_price",
            Self::EntryDate | Self::EntryInFuture => "entry_date",
            Self::ClassOfType => "investment_class",
            Self::Subtype => "investment_subtype",
            Self::Multiplier => "multiplier",
            Self::Currency => "currency",
            Self::NoContract | Self::Underlying => "underlying_symbol",
            Self::Strike => "strike_price",
            Self::Expiration | Self::Expired => "expiration_date",
            Self::Notes => "notes",
            Self::CloseQuantity | Self::CloseTooMuch => "close_quantity",
            Self::ClosePrice => "exit_price",
            Self::CloseBeforeEntry | Self::CloseInFuture => "exit_date",
        }
    }

    /// As the API answers it; `within` is what its field's name begins with, such as `positions[3].`.
    pub fn wrong(self, within: &str) -> FieldError {
        FieldError { field: format!("{within}{}", self.field()), message: self.to_string() }
    }
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Self::Invalid(vec![fault.wrong("")])
    }
}

impl From<Vec<Fault>> for Error {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Invalid(faults.into_iter().map(|fault| fault.wrong("")).collect())
    }
}
