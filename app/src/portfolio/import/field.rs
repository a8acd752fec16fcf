//! What a column can mean, and the columns of a file.

use serde::Deserialize;

use super::issue::{Code, Issue, quoted};

/// The meaning of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    /// Ticker, or an option's symbol or description.
    Symbol,
    /// Units; negative when short.
    Quantity,
    /// Paid a unit.
    EntryPrice,
    /// When it was opened.
    EntryDate,
    /// `PUBLIC`, `OPTIONS` or `PRIVATE`.
    InvestmentClass,
    /// Finer than the class.
    InvestmentSubtype,
    /// Of options.
    UnderlyingSymbol,
    /// Of options.
    StrikePrice,
    /// Of options.
    ExpirationDate,
    /// `CALL` or `PUT`.
    OptionType,
    /// When all of it was closed.
    ExitDate,
    /// At which price.
    ExitPrice,
    /// Of its prices.
    Currency,
    /// `LONG`, `SHORT`, `LC`, `LP`, `SC` or `SP`.
    PositionType,
    /// Units of the underlying a contract.
    Multiplier,
    /// Anything.
    Notes,
    /// Paid for all of it.
    CostBasis,
    /// What a unit is worth now.
    MarketPrice,
    /// In words.
    Description,
    /// Which kind of row, of Interactive Brokers.
    Level,
    /// Which kind of asset, of Interactive Brokers.
    AssetCategory,
    /// When something was done.
    Date,
    /// What was done.
    Activity,
    /// At which price a unit.
    Price,
    /// For how much in all.
    Amount,
    /// What it cost beside the price.
    Fee,
    /// Where its prices come from, of Ghostfolio; of a target price who says it.
    DataSource,
    /// Of a target price: at the end of the year.
    TargetPriceEoy,
    /// Of a target price: at the end of the next.
    TargetPriceNextYear,
    /// Of a target price: if it goes badly.
    DownsideTargetPrice,
    /// Of a target price: compared with.
    CurrentPrice,
}

impl Field {
    /// Its name in a mapping.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Symbol => "symbol",
            Self::Quantity => "quantity",
            Self::EntryPrice => "entry_price",
            Self::EntryDate => "entry_date",
            Self::InvestmentClass => "investment_class",
            Self::InvestmentSubtype => "investment_subtype",
            Self::UnderlyingSymbol => "underlying_symbol",
            Self::StrikePrice => "strike_price",
            Self::ExpirationDate => "expiration_date",
            Self::OptionType => "option_type",
            Self::ExitDate => "exit_date",
            Self::ExitPrice => "exit_price",
            Self::Currency => "currency",
            Self::PositionType => "position_type",
            Self::Multiplier => "multiplier",
            Self::Notes => "notes",
            Self::CostBasis => "cost_basis",
            Self::MarketPrice => "market_price",
            Self::Description => "description",
            Self::Level => "level",
            Self::AssetCategory => "asset_category",
            Self::Date => "date",
            Self::Activity => "activity",
            Self::Price => "price",
            Self::Amount => "amount",
            Self::Fee => "fee",
            Self::DataSource => "data_source",
            Self::TargetPriceEoy => "target_price_eoy",
            Self::TargetPriceNextYear => "target_price_next_year",
            Self::DownsideTargetPrice => "downside_target_price",
            Self::CurrentPrice => "current_price",
        }
    }

    /// Whether its cells are numbers.
    pub(super) fn is_number(self) -> bool {
        matches!(
            self,
            Self::Quantity
                | Self::EntryPrice
                | Self::StrikePrice
                | Self::ExitPrice
                | Self::Multiplier
                | Self::CostBasis
                | Self::MarketPrice
                | Self::Price
                | Self::Amount
                | Self::Fee
                | Self::TargetPriceEoy
                | Self::TargetPriceNextYear
                | Self::DownsideTargetPrice
                | Self::CurrentPrice
        )
    }

    /// Whether its cells are dates.
    pub(super) fn is_date(self) -> bool {
        matches!(self, Self::EntryDate | Self::ExpirationDate | Self::ExitDate | Self::Date)
    }
}

/// Which column has which meaning.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    /// Place, heading and meaning, in order of the file.
    known: Vec<(usize, String, Field)>,
    /// Headings without a meaning.
    pub(super) unknown: Vec<String>,
    /// Cells of the heading.
    pub(super) width: usize,
}

impl Columns {
    /// The columns of a heading, where `meaning` tells each heading's. The same heading twice is an error;
    /// of two headings of the same meaning the first counts.
    pub(super) fn of(
        line: u64,
        heading: &[String],
        meaning: impl Fn(&str) -> Option<Field>,
    ) -> Result<Self, Issue> {
        let mut columns = Self { width: heading.len(), ..Self::default() };
        for (place, name) in heading.iter().enumerate() {
            match meaning(name) {
                Some(field) if columns.has(field) => {
                    if key(columns.heading(field)) == key(name) {
                        let message = format!("a second column means {}", field.name());
                        return Err(Issue::cell(line, name, Code::DoubleColumn, message));
                    }
                    columns.unknown.push(quoted(name));
                }
                Some(field) => columns.known.push((place, quoted(name), field)),
                None if name.is_empty() => {}
                None => columns.unknown.push(quoted(name)),
            }
        }
        Ok(columns)
    }

    pub(super) fn place(&self, field: Field) -> Option<usize> {
        self.known.iter().find(|(.., known)| *known == field).map(|(place, ..)| *place)
    }

    pub(super) fn has(&self, field: Field) -> bool {
        self.place(field).is_some()
    }

    /// The heading of a meaning, or its name.
    pub(super) fn heading(&self, field: Field) -> &str {
        self.known.iter().find(|(.., known)| *known == field).map_or(field.name(), |(_, heading, _)| heading)
    }

    /// Places of columns whose meaning is so.
    pub(super) fn places(&self, is_so: impl Fn(Field) -> bool) -> Vec<usize> {
        self.known.iter().filter(|(.., field)| is_so(*field)).map(|(place, ..)| *place).collect()
    }

    /// Heading and meaning of each.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (String, &'static str)> {
        self.known.iter().map(|(_, heading, field)| (heading.clone(), field.name()))
    }
}

/// A heading without what programs differ in: case, blanks and marks.
pub(super) fn key(heading: &str) -> String {
    let keeps = |letter: &char| letter.is_alphanumeric() || matches!(letter, '$' | '%' | '#');
    heading.chars().filter(keeps).flat_map(char::to_lowercase).collect()
}
