//! Which program wrote a file, told by its heading.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::field::{Columns, Field, key};
use super::issue::{Code, Issue};
use super::shapes::SHAPES;
use super::table::Table;

/// Rows in which the heading is looked for.
const HEADING_WITHIN: usize = 60;
/// The same in statements, which have many sections before the one that is looked for.
const HEADING_WITHIN_STATEMENT: usize = 20_000;

/// A way to write a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Twelve columns, as the template; other orders and spellings too.
    Template,
    /// By the mapping that came with it.
    Mapped,
    /// Positions of Charles Schwab.
    Schwab,
    /// Positions of Fidelity.
    Fidelity,
    /// Holdings of Vanguard.
    Vanguard,
    /// An activity statement of Interactive Brokers; of it the open positions.
    InteractiveBrokers,
    /// A portfolio of E*TRADE.
    Etrade,
    /// Account activity of Robinhood.
    Robinhood,
    /// Activities of Ghostfolio, as JSON or CSV.
    Ghostfolio,
    /// Activities of Wealthfolio, as CSV or JSON.
    Wealthfolio,
}

/// A file whose heading was found.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) format: Format,
    pub(super) columns: Columns,
    /// Place of the heading among the rows.
    pub(super) heading: usize,
}

impl Format {
    /// Whether its rows are activities, not holdings.
    pub(super) fn has_activities(self) -> bool {
        matches!(self, Self::Robinhood | Self::Ghostfolio | Self::Wealthfolio)
    }

    /// Whether it is a broker's of the United States: of dates the month comes first.
    pub(super) fn is_american(self) -> bool {
        matches!(
            self,
            Self::Schwab
                | Self::Fidelity
                | Self::Vanguard
                | Self::InteractiveBrokers
                | Self::Etrade
                | Self::Robinhood
        )
    }

    /// Whether its files have titles, sums and footers among their rows.
    pub(super) fn is_report(self) -> bool {
        self.is_american() && self != Self::Robinhood
    }
}

/// Finds the heading: of `wanted` if the caller names the format.
pub(super) fn detect(table: &Table, wanted: Option<Format>) -> Result<Known, Issue> {
    for (place, row) in table.rows.iter().enumerate().take(HEADING_WITHIN_STATEMENT) {
        let keys: Vec<String> = row.cells.iter().map(|cell| key(cell)).collect();
        let is_statement = keys.get(1).is_some_and(|second| second == "header");
        if place >= HEADING_WITHIN && !is_statement {
            continue;
        }
        let shapes = SHAPES.iter().filter(|shape| wanted.is_none_or(|wanted| wanted == shape.format));
        for shape in shapes.filter(|shape| shape.fits(&keys)) {
            let is_section = shape.format == Format::InteractiveBrokers;
            if is_section
                && !(is_statement && keys.first().is_some_and(|name| name.ends_with("openpositions")))
            {
                continue;
            }
            let columns = Columns::of(row.line, &row.cells, |heading| shape.meaning(heading))?;
            return Ok(Known { format: shape.format, columns, heading: place });
        }
    }
    if let Some(wanted) = wanted {
        return Err(Issue::file(Code::UnknownHeading, format!("no row is a heading of {}", wanted.label())));
    }
    if let Some(missing) = incomplete(table) {
        return Err(missing);
    }
    let message =
        "no row is a heading that is known; take the template, or say what the columns mean by `mapping`";
    Err(Issue::file(Code::UnknownHeading, message))
}

/// What a heading lacks that has a symbol.
fn incomplete(table: &Table) -> Option<Issue> {
    let template = SHAPES.iter().find(|shape| shape.format == Format::Template)?;
    let begins = |row: &&super::table::Row| {
        row.cells.iter().any(|cell| matches!(key(cell).as_str(), "symbol" | "ticker"))
    };
    let row = table.rows.iter().take(HEADING_WITHIN).find(begins)?;
    let keys: Vec<String> = row.cells.iter().map(|cell| key(cell)).collect();
    let is_there = |group: &&[&str]| group.iter().any(|name| keys.iter().any(|key| key == name));
    let missing = template.needs.iter().find(|group| !is_there(group))?.first()?;
    Some(Issue::cell(row.line, missing, Code::MissingColumn, "the heading has no such column"))
}

/// Finds the heading that has every column of a mapping.
pub(super) fn mapped(table: &Table, mapping: &[(String, Field)]) -> Result<Known, Issue> {
    let wanted: Vec<(String, Field)> = mapping.iter().map(|(name, field)| (key(name), *field)).collect();
    let place = table
        .rows
        .iter()
        .take(HEADING_WITHIN)
        .position(|row| wanted.iter().all(|(name, _)| row.cells.iter().any(|cell| key(cell) == *name)));
    let Some((place, row)) = place.and_then(|place| table.rows.get(place).map(|row| (place, row))) else {
        let names: Vec<&str> = mapping.iter().map(|(name, _)| name.as_str()).collect();
        let message = format!("no row has all columns of the mapping: {}", names.join(", "));
        return Err(Issue::file(Code::MissingColumn, message));
    };
    let meaning = |heading: &str| {
        let key = key(heading);
        wanted.iter().find(|(name, _)| *name == key).map(|(_, field)| *field)
    };
    let columns = Columns::of(row.line, &row.cells, meaning)?;
    Ok(Known { format: Format::Mapped, columns, heading: place })
}

impl Format {
    fn label(self) -> &'static str {
        match self {
            Self::Template => "the template",
            Self::Mapped => "the mapping",
            Self::Schwab => "Schwab",
            Self::Fidelity => "Fidelity",
            Self::Vanguard => "Vanguard",
            Self::InteractiveBrokers => "Interactive Brokers",
            Self::Etrade => "E*TRADE",
            Self::Robinhood => "Robinhood",
            Self::Ghostfolio => "Ghostfolio",
            Self::Wealthfolio => "Wealthfolio",
        }
    }
}
