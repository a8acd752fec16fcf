//! What is wrong with a file, and what of it was not used: every finding has a
//! code that stays.

use serde::Serialize;
use utoipa::ToSchema;

/// Longest piece of a file that is quoted, in characters.
const QUOTED_MAX: usize = 60;

/// What a finding is about. Files, positions, and the portfolio they meet;
/// notes are no errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
pub enum Code {
    /// The file has no rows.
    #[serde(rename = "ERR_CSV_001")]
    Empty,
    /// The file is larger than the limit.
    #[serde(rename = "ERR_CSV_002")]
    TooLarge,
    /// The file is no text.
    #[serde(rename = "ERR_CSV_003")]
    NoText,
    /// A quotation mark is not closed.
    #[serde(rename = "ERR_CSV_004")]
    OpenQuote,
    /// No row is a known heading.
    #[serde(rename = "ERR_CSV_005")]
    UnknownHeading,
    /// A column that is needed is missing.
    #[serde(rename = "ERR_CSV_006")]
    MissingColumn,
    /// Two columns mean the same.
    #[serde(rename = "ERR_CSV_007")]
    DoubleColumn,
    /// More rows or columns than the limit.
    #[serde(rename = "ERR_CSV_008")]
    TooMany,
    /// The row has more cells than the heading.
    #[serde(rename = "ERR_CSV_009")]
    TooManyCells,
    /// The JSON cannot be read.
    #[serde(rename = "ERR_CSV_010")]
    BadJson,
    /// There is no symbol.
    #[serde(rename = "ERR_POS_001")]
    NoSymbol,
    /// It is no symbol.
    #[serde(rename = "ERR_POS_002")]
    BadSymbol,
    /// There is no quantity.
    #[serde(rename = "ERR_POS_003")]
    NoQuantity,
    /// The quantity is 0.
    #[serde(rename = "ERR_POS_004")]
    ZeroQuantity,
    /// There is no price.
    #[serde(rename = "ERR_POS_005")]
    NoPrice,
    /// A price or amount is negative.
    #[serde(rename = "ERR_POS_006")]
    NegativePrice,
    /// It is no number.
    #[serde(rename = "ERR_POS_007")]
    BadNumber,
    /// The number can be read in two ways.
    #[serde(rename = "ERR_POS_008")]
    AmbiguousNumber,
    /// More digits than are kept.
    #[serde(rename = "ERR_POS_009")]
    TooManyDigits,
    /// There is no date.
    #[serde(rename = "ERR_POS_010")]
    NoDate,
    /// It is no date.
    #[serde(rename = "ERR_POS_011")]
    BadDate,
    /// Day and month can be read in two ways.
    #[serde(rename = "ERR_POS_012")]
    AmbiguousDate,
    /// The date lies in the future.
    #[serde(rename = "ERR_POS_013")]
    FutureDate,
    /// The date lies before 1900.
    #[serde(rename = "ERR_POS_014")]
    EarlyDate,
    /// The class is unknown.
    #[serde(rename = "ERR_POS_015")]
    BadClass,
    /// A text is too long.
    #[serde(rename = "ERR_POS_016")]
    LongText,
    /// An option lacks its underlying, strike, expiry or type.
    #[serde(rename = "ERR_POS_017")]
    IncompleteOption,
    /// What is no option has fields of one.
    #[serde(rename = "ERR_POS_018")]
    NoOption,
    /// The type of the option is unknown.
    #[serde(rename = "ERR_POS_019")]
    BadOptionType,
    /// The option expired before it was opened.
    #[serde(rename = "ERR_POS_020")]
    Expired,
    /// The exit lacks its date or its price.
    #[serde(rename = "ERR_POS_021")]
    IncompleteExit,
    /// The exit lies before the entry.
    #[serde(rename = "ERR_POS_022")]
    EarlyExit,
    /// The currency is no code of three letters.
    #[serde(rename = "ERR_POS_023")]
    BadCurrency,
    /// The sign contradicts the type of the position, or the type is unknown.
    #[serde(rename = "ERR_POS_024")]
    BadType,
    /// The option's fields contradict its symbol.
    #[serde(rename = "ERR_POS_025")]
    Contradiction,
    /// More is sold than the file has bought.
    #[serde(rename = "ERR_POS_026")]
    NotHeld,
    /// An activity that is not known.
    #[serde(rename = "ERR_POS_027")]
    UnknownActivity,
    /// An activity that lots cannot tell.
    #[serde(rename = "ERR_POS_028")]
    Untellable,
    /// The lot was closed in another way since.
    #[serde(rename = "ERR_PORT_001")]
    ClosedOtherwise,
    /// More open and closed lots than a portfolio may have.
    #[serde(rename = "ERR_PORT_002")]
    PortfolioFull,
    /// Not a lot: a title, a sum, a footer.
    #[serde(rename = "NOTE_001")]
    NoHolding,
    /// Cash is no lot.
    #[serde(rename = "NOTE_002")]
    Cash,
    /// The file does not say when the lots were bought.
    #[serde(rename = "NOTE_003")]
    Undated,
    /// The file does not say what the lots cost.
    #[serde(rename = "NOTE_004")]
    NoCost,
    /// Dividends follow from the market's data.
    #[serde(rename = "NOTE_005")]
    Dividend,
    /// Interest, fees, taxes: no part of any lot.
    #[serde(rename = "NOTE_006")]
    Charge,
    /// A split, used to match what was sold after it.
    #[serde(rename = "NOTE_007")]
    Split,
    /// A section of the file that is not used.
    #[serde(rename = "NOTE_008")]
    Section,
    /// Capital that would count twice.
    #[serde(rename = "NOTE_009")]
    Capital,
    /// The owner deleted it before.
    #[serde(rename = "NOTE_010")]
    Deleted,
    /// A sum of lots that stand one by one.
    #[serde(rename = "NOTE_011")]
    SumOfLots,
    /// Fees beside trades.
    #[serde(rename = "NOTE_012")]
    Fees,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Issue {
    /// Where, counted from 1; of an activity in JSON its place in the list; none: the file.
    pub line: Option<u64>,
    /// What, for a program to read.
    #[schema(value_type = String)]
    pub code: Code,
    /// The heading of the column, or its meaning.
    pub column: Option<String>,
    /// What, for people to read.
    pub message: String,
}

impl Issue {
    /// About the whole file.
    pub(super) fn file(code: Code, message: impl Into<String>) -> Self {
        Self { line: None, code, column: None, message: message.into() }
    }

    /// About a row.
    pub(super) fn row(line: u64, code: Code, message: impl Into<String>) -> Self {
        Self { line: Some(line), code, column: None, message: message.into() }
    }

    /// About a cell.
    pub(super) fn cell(line: u64, column: &str, code: Code, message: impl Into<String>) -> Self {
        Self { line: Some(line), code, column: Some(quoted(column)), message: message.into() }
    }
}

/// A piece of a file as it can stand in a sentence.
pub(super) fn quoted(text: &str) -> String {
    let mut letters = text.chars().filter(|letter| !letter.is_control());
    let mut short: String = letters.by_ref().take(QUOTED_MAX).collect();
    if letters.next().is_some() {
        short.push('…');
    }
    short
}
