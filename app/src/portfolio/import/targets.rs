//! Files of target prices: read as files of holdings are, with the same findings.

use std::collections::HashMap;

use chrono::NaiveDate;
use entity::core::position::PositionType;
use sea_orm::prelude::Decimal;

use super::cells::{Cells, Style};
use super::field::{Columns, Field, key};
use super::issue::{Code, Issue, quoted};
use super::number::{self, Mark};
use super::table::{self, Row, Table};
use crate::market;

/// Longest notes, in characters.
const NOTES_MAX: usize = 5000;
/// Longest source, in characters.
const SOURCE_MAX: usize = 50;

/// A target price of a file.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::portfolio) struct TargetRow {
    pub(in crate::portfolio) symbol: String,
    pub(in crate::portfolio) position_type: Option<PositionType>,
    pub(in crate::portfolio) eoy: Option<Decimal>,
    pub(in crate::portfolio) next_year: Option<Decimal>,
    pub(in crate::portfolio) downside: Option<Decimal>,
    pub(in crate::portfolio) current_price: Option<Decimal>,
    pub(in crate::portfolio) notes: Option<String>,
    pub(in crate::portfolio) data_source: Option<String>,
}

/// Reads a file: its rows, or everything that is wrong with them. `today` is for dates, of which there are none.
pub(in crate::portfolio) fn targets(bytes: &[u8], today: NaiveDate) -> Result<Vec<TargetRow>, Vec<Issue>> {
    let table = table::read(bytes).map_err(|issue| vec![issue])?;
    let (heading, columns) = heading(&table).map_err(|issue| vec![issue])?;
    let rows: Vec<&Row> = table.rows.iter().skip(heading + 1).filter(|row| !row.is_blank()).collect();
    if rows.is_empty() {
        return Err(vec![Issue::file(Code::Empty, "the file has a heading and no rows")]);
    }
    let places = columns.places(Field::is_number);
    let numbers = rows.iter().flat_map(|row| places.iter().filter_map(|place| row.cells.get(*place)));
    let silent = (table.delimiter != b';').then_some(Mark::Point);
    let style = Style { mark: number::mark_of(numbers.map(String::as_str), silent), order: None, today };
    let (mut read, mut errors) = (Vec::with_capacity(rows.len()), Vec::new());
    let mut seen: HashMap<(String, Option<PositionType>), u64> = HashMap::new();
    for row in rows {
        let mut cells = Cells::new(row, &columns, style);
        cells.check_width();
        let target = one(&mut cells);
        if let Some(target) = &target
            && let Some(line) = seen.insert((target.symbol.clone(), target.position_type), row.line)
        {
            let message = format!("line {line} has a target price of the same symbol and type");
            cells.wrong(Field::Symbol, Code::DoubleColumn, message);
        }
        errors.append(&mut cells.issues);
        read.extend(target);
    }
    if errors.is_empty() { Ok(read) } else { Err(errors) }
}

fn heading(table: &Table) -> Result<(usize, Columns), Issue> {
    let fields = [
        Field::Symbol,
        Field::PositionType,
        Field::TargetPriceEoy,
        Field::TargetPriceNextYear,
        Field::DownsideTargetPrice,
        Field::CurrentPrice,
        Field::DataSource,
    ];
    let meaning = |heading: &str| match key(heading).as_str() {
        "analystnotes" | "notes" => Some(Field::Notes),
        "ticker" => Some(Field::Symbol),
        own => fields.into_iter().find(|field| key(field.name()) == own),
    };
    let is_heading = |row: &Row| row.cells.iter().any(|cell| meaning(cell) == Some(Field::Symbol));
    let Some((place, row)) = table.rows.iter().enumerate().take(20).find(|(_, row)| is_heading(row)) else {
        return Err(Issue::file(Code::UnknownHeading, "no row is a heading with a symbol"));
    };
    let columns = Columns::of(row.line, &row.cells, meaning)?;
    let prices = [Field::TargetPriceEoy, Field::TargetPriceNextYear, Field::DownsideTargetPrice];
    if !prices.into_iter().any(|field| columns.has(field)) {
        let message = "the heading has no target_price_eoy, target_price_next_year or downside_target_price";
        return Err(Issue::row(row.line, Code::MissingColumn, message));
    }
    Ok((place, columns))
}

fn one(cells: &mut Cells<'_>) -> Option<TargetRow> {
    let given = cells.text(Field::Symbol);
    let symbol = given.and_then(market::normalised);
    match given {
        None => cells.wrong(Field::Symbol, Code::NoSymbol, "the symbol is missing"),
        Some(given) if symbol.is_none() => {
            cells.wrong(Field::Symbol, Code::BadSymbol, format!("\"{}\" is no symbol", quoted(given)));
        }
        Some(_) => {}
    }
    let position_type = cells.said(Field::PositionType).and_then(|given| {
        let kind = position_type(given);
        if kind.is_none() {
            let message = format!("\"{}\" is none of LONG, SHORT, LC, LP, SC, SP", quoted(given));
            cells.wrong(Field::PositionType, Code::BadType, message);
        }
        kind
    });
    let (eoy, next_year, downside) = (
        cells.price(Field::TargetPriceEoy),
        cells.price(Field::TargetPriceNextYear),
        cells.price(Field::DownsideTargetPrice),
    );
    let current_price = cells.price(Field::CurrentPrice);
    if current_price.is_some_and(|price| price.is_zero()) {
        cells.wrong(Field::CurrentPrice, Code::NegativePrice, "must be above 0");
    }
    let (notes, data_source) =
        (cells.limited(Field::Notes, NOTES_MAX), cells.limited(Field::DataSource, SOURCE_MAX));
    if cells.is_right() && eoy.is_none() && next_year.is_none() && downside.is_none() {
        cells.wrong(Field::TargetPriceEoy, Code::NoPrice, "the row has no target price");
    }
    let row = TargetRow {
        symbol: symbol?,
        position_type,
        eoy,
        next_year,
        downside,
        current_price,
        notes,
        data_source,
    };
    cells.is_right().then_some(row)
}

fn position_type(text: &str) -> Option<PositionType> {
    Some(match text.to_ascii_uppercase().as_str() {
        "LONG" => PositionType::Long,
        "SHORT" => PositionType::Short,
        "LC" => PositionType::LongCall,
        "LP" => PositionType::LongPut,
        "SC" => PositionType::ShortCall,
        "SP" => PositionType::ShortPut,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn target_prices_are_read_with_their_errors() {
        let today = NaiveDate::default();
        let text = "Symbol,Position Type,Target Price EOY,target_price_next_year,analyst_notes\nAAPL,LONG,\"$1,250.50\",,good\nspy,,,500,\n";
        let rows = targets(text.as_bytes(), today).unwrap();
        assert_eq!((rows[0].symbol.as_str(), rows[0].eoy), ("AAPL", Some(Decimal::new(12_505, 1))));
        assert_eq!((rows[1].symbol.as_str(), rows[1].next_year), ("SPY", Some(Decimal::from(500))));
        for (text, code) in [
            ("symbol,target_price_eoy\nAAPL,\n", Code::NoPrice),
            ("symbol,target_price_eoy\nAAPL,-1\n", Code::NegativePrice),
            ("symbol,target_price_eoy\nAAPL,1\nAAPL,2\n", Code::DoubleColumn),
            ("symbol,target_price_eoy\n,1\n", Code::NoSymbol),
            ("symbol,target_price_eoy,position_type\nA,1,LANG\n", Code::BadType),
            ("symbol,price\nA,1\n", Code::MissingColumn),
            ("a,b\nA,1\n", Code::UnknownHeading),
            ("symbol,target_price_eoy\n", Code::Empty),
        ] {
            assert_eq!(targets(text.as_bytes(), today).unwrap_err()[0].code, code, "{text}");
        }
    }
}
