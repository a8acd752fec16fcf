//! The first line of a file: which column is what.

use super::cell;
use super::table::{Kind, Table};
use crate::error::{Error, Result};

/// How the rows of a file are laid out.
#[derive(Clone, Debug)]
pub(super) enum Layout {
    /// A row of the table a line: place in the line, place in [`Table::columns`].
    Rows(Vec<(usize, usize)>),
    /// A day a line, and a column with the closes of each symbol: place in the line, symbol.
    Matrix {
        /// Place of the day.
        day: usize,
        /// The symbols.
        symbols: Vec<(usize, String)>,
    },
}

/// Most columns of a file.
pub(super) const COLUMNS_MAX: usize = 5_000;

/// Names by which some columns also go.
const ALIASES: [(&str, &str); 9] = [
    ("ticker", "symbol"),
    ("trade_date", "date"),
    ("datetime", "date"),
    ("exdate", "ex_date"),
    ("type", "kind"),
    ("action", "kind"),
    ("name", "company_name"),
    ("as_of_date", "asof_date"),
    ("period", "frequency"),
];

/// Reads the header; also says which columns the table does not have.
pub(super) fn read(names: &[String], table: &Table) -> Result<(Layout, Vec<String>)> {
    if names.len() > COLUMNS_MAX {
        return Err(Error::field("header", format!("has more than {COLUMNS_MAX} columns")));
    }
    let columns: Vec<String> = names.iter().map(|name| column_name(name, table)).collect();
    let mut fields: Vec<(usize, usize)> = Vec::new();
    let mut ignored = Vec::new();
    for (place, name) in columns.iter().enumerate() {
        let Some(index) = table.columns.iter().position(|column| column.name == name) else {
            ignored.push(names[place].clone());
            continue;
        };
        if fields.iter().any(|(_, other)| *other == index) {
            return Err(Error::field("header", format!("names the column {name} twice")));
        }
        fields.push((place, index));
    }
    let has = |wanted: &str| fields.iter().any(|(_, index)| table.columns[*index].name == wanted);
    if table.name == Kind::Prices.table().name && has("date") && fields.len() == 1 && names.len() > 1 {
        return matrix(names, fields[0].0).map(|layout| (layout, Vec::new()));
    }
    let missing: Vec<&str> = table
        .columns
        .iter()
        .filter(|column| column.is_required && !has(column.name))
        .map(|column| column.name)
        .collect();
    if !missing.is_empty() {
        return Err(Error::field(
            "header",
            format!("lacks {}; it has {}", missing.join(", "), names.join(", ")),
        ));
    }
    Ok((Layout::Rows(fields), ignored))
}

/// Days and symbols, as data frames of prices are written.
fn matrix(names: &[String], day: usize) -> Result<Layout> {
    let mut symbols: Vec<(usize, String)> = Vec::new();
    for (place, name) in names.iter().enumerate().filter(|(place, _)| *place != day) {
        let symbol = cell::symbol(name.trim()).map_err(|(_, why)| Error::field("header", why))?;
        if symbols.iter().any(|(_, other)| *other == symbol) {
            return Err(Error::field("header", format!("names the symbol {symbol} twice")));
        }
        symbols.push((place, symbol));
    }
    Ok(Layout::Matrix { day, symbols })
}

/// `Ex-Date`, `exDate` and `EX DATE` are all `ex_date`.
fn column_name(name: &str, table: &Table) -> String {
    let mut column = String::new();
    let mut previous_is_lower = false;
    for character in name.trim().trim_start_matches('\u{feff}').trim_matches('"').chars() {
        if character.is_ascii_uppercase() && previous_is_lower {
            column.push('_');
        }
        previous_is_lower = character.is_ascii_lowercase() || character.is_ascii_digit();
        let written = if character.is_alphanumeric() { character.to_ascii_lowercase() } else { '_' };
        if written != '_' || !column.ends_with('_') {
            column.push(written);
        }
    }
    let column = column.trim_matches('_').to_owned();
    if table.column(&column).is_some() {
        return column;
    }
    let alias = ALIASES.iter().find(|(alias, name)| *alias == column && table.column(name).is_some());
    alias.map_or(column, |(_, name)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(kind: Kind, line: &str) -> Result<(Layout, Vec<String>), String> {
        let names: Vec<String> = line.split(',').map(str::to_owned).collect();
        read(&names, &kind.table()).map_err(|error| error.to_string())
    }

    fn fields(kind: Kind, line: &str) -> (Vec<&'static str>, Vec<String>) {
        let (Layout::Rows(fields), ignored) = header(kind, line).unwrap() else { panic!("no rows: {line}") };
        (fields.iter().map(|(_, index)| kind.table().columns[*index].name).collect(), ignored)
    }

    #[test]
    fn columns_are_known_by_several_spellings() {
        let (known, ignored) = fields(Kind::Prices, "\u{feff}Ticker,Date,Close,Adj Close,Volume");
        assert_eq!(known, ["symbol", "date", "close", "volume"]);
        assert_eq!(ignored, ["Adj Close"]);
        assert_eq!(
            fields(Kind::Actions, "symbol,exDate,Type,value").0,
            ["symbol", "ex_date", "kind", "value"]
        );
        let (known, _) =
            fields(Kind::Income, "symbol,periodDate,Frequency,totalRevenue,dilutedEPS,Net-Income");
        assert_eq!(
            known,
            ["symbol", "period_date", "frequency", "total_revenue", "diluted_eps", "net_income"]
        );
        assert_eq!(fields(Kind::Profiles, "symbol,week52High,Name").0, ["symbol", "company_name"]);
    }

    #[test]
    fn a_frame_of_closes_names_its_symbols() {
        let (layout, ignored) = header(Kind::Prices, "Date,AAPL,brk.b").unwrap();
        assert!(ignored.is_empty());
        let Layout::Matrix { day: 0, symbols } = layout else { panic!("no matrix: {layout:?}") };
        assert_eq!(symbols, [(1, "AAPL".to_owned()), (2, "BRK.B".to_owned())]);
    }

    #[test]
    fn what_is_wrong_with_a_header_is_said() {
        for (line, expected) in [
            ("symbol,close", "lacks date"),
            ("nothing,of,this", "lacks symbol, date, close"),
            ("symbol,date,close,Close", "close twice"),
            ("Date,AAPL,aapl", "AAPL twice"),
            ("Date,=1+1", "no symbol"),
        ] {
            let error = header(Kind::Prices, line).unwrap_err();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
