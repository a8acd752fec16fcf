//! Files of holdings: rows are lots, among titles, sums and footers.

use std::collections::BTreeMap;

use chrono::NaiveDate;

use super::cells::{Cells, Style};
use super::date::{self, Order};
use super::field::{Columns, Field, key};
use super::format::{Format, Known};
use super::issue::{Code, Issue, quoted};
use super::lot::{self, Context};
use super::reading::{Options, Reading};
use super::table::{Row, Table};

/// What stands in the place of a symbol before cash.
const CASH: [&str; 5] = ["cash", "cashcashinvestments", "pendingactivity", "cashinvestments", "cashbalance"];
/// And before sums.
const SUMS: [&str; 5] = ["total", "accounttotal", "grandtotal", "positionstotal", "accountstotal"];

/// What a row is.
enum Kind<'a> {
    Lot(Context<'a>),
    Note(Code, String),
    /// Of a section that is not read.
    Section(String),
    /// A heading of the section that is read.
    Heading,
}

struct Holdings<'a> {
    format: Format,
    heading: &'a Row,
    columns: Columns,
    style: Style,
    undated: NaiveDate,
    /// The last row with a symbol.
    symbol: Option<&'a str>,
    /// Everything from here on is of another section.
    section: Option<String>,
    reading: Reading,
}

/// Reads the rows behind a heading.
pub(super) fn read(table: &Table, known: &Known, style: Style, options: &Options) -> Reading {
    let Some(heading) = table.rows.get(known.heading) else { return Reading::default() };
    let as_of = known.format.is_report().then(|| as_of(table, known, style.today)).flatten();
    let undated = options.entry_date.or(as_of).unwrap_or(options.today);
    let mut holdings = Holdings {
        format: known.format,
        heading,
        columns: known.columns.clone(),
        style,
        undated,
        symbol: None,
        section: None,
        reading: Reading::default(),
    };
    let mut sections = BTreeMap::new();
    let rows: Vec<&Row> = table.rows.iter().skip(known.heading + 1).filter(|row| !row.is_blank()).collect();
    for (place, row) in rows.iter().enumerate() {
        holdings.reading.rows += 1;
        holdings.take(row, rows.get(place + 1).copied(), &mut sections);
    }
    let mut reading = holdings.reading;
    for (name, (line, count)) in sections {
        let message = format!("{count} rows of the section {name} are not used");
        reading.notes.push(Issue::row(line, Code::Section, message));
    }
    if reading.lots.iter().any(|lot| !lot.is_dated) {
        let message = format!("the file does not say when its lots were bought; taken in as of {undated}");
        reading.notes.push(Issue::file(Code::Undated, message));
    }
    reading
}

impl<'a> Holdings<'a> {
    fn take(&mut self, row: &'a Row, next: Option<&Row>, sections: &mut BTreeMap<String, (u64, usize)>) {
        match self.kind(row, next) {
            Kind::Lot(context) => {
                let mut cells = Cells::new(row, &self.columns, self.style);
                if !self.format.is_report() {
                    cells.check_width();
                }
                match lot::lot(&mut cells, context) {
                    Some((lot, notes)) => {
                        self.reading.used += 1;
                        self.reading.lots.push(lot);
                        self.reading.notes.extend(notes);
                    }
                    None => self.reading.reject(cells.issues),
                }
            }
            Kind::Note(code, message) => self.reading.note(Issue::row(row.line, code, message)),
            Kind::Section(name) => {
                self.reading.noted += 1;
                sections.entry(name).or_insert((row.line, 0)).1 += 1;
            }
            Kind::Heading => {
                let meaning = |heading: &str| self.meaning(heading);
                match Columns::of(row.line, &row.cells, meaning) {
                    Ok(columns) => {
                        self.columns = columns;
                        self.reading.note(Issue::row(row.line, Code::NoHolding, "a heading"));
                    }
                    Err(issue) => self.reading.reject(vec![issue]),
                }
            }
        }
    }

    fn meaning(&self, heading: &str) -> Option<Field> {
        let shape = super::shapes::SHAPES.iter().find(|shape| shape.format == self.format)?;
        shape.meaning(heading)
    }

    fn kind(&mut self, row: &'a Row, next: Option<&Row>) -> Kind<'a> {
        let undated = self.undated;
        let context = Context { format: self.format, symbol: None, opened: None, undated };
        if !self.format.is_report() {
            return Kind::Lot(context);
        }
        if let Some(kind) = self.other_section(row) {
            return kind;
        }
        let symbol = self.cell(row, Field::Symbol);
        let name = key(symbol);
        let is_cash = CASH.contains(&name.as_str()) || symbol.ends_with("**");
        if is_cash {
            return Kind::Note(Code::Cash, format!("{} is no lot", quoted(symbol)));
        }
        if row.filled() <= 1 || SUMS.contains(&name.as_str()) {
            let first = row.cells.iter().find(|cell| !cell.is_empty()).map_or("", String::as_str);
            return Kind::Note(Code::NoHolding, format!("no lot: {}", quoted(first)));
        }
        if self.format == Format::Etrade
            && let Ok(opened) = date::parse(symbol, Some(Order::MonthFirst))
        {
            return Kind::Lot(Context { symbol: self.symbol, opened: Some(opened), ..context });
        }
        if self.has_lots_below(row, next) {
            self.symbol = self.cell_of(row, Field::Symbol);
            return Kind::Note(Code::SumOfLots, format!("{} stands below, lot by lot", quoted(symbol)));
        }
        self.symbol = self.cell_of(row, Field::Symbol);
        Kind::Lot(context)
    }

    /// Rows of sections: of statements each row says of which it is, elsewhere another heading does.
    fn other_section(&mut self, row: &Row) -> Option<Kind<'a>> {
        if self.format == Format::InteractiveBrokers {
            let own = self.heading.cells.first()?;
            let name = row.cells.first()?;
            let part = row.cells.get(1).map(String::as_str).unwrap_or_default();
            return match part {
                _ if name != own => Some(Kind::Section(quoted(name))),
                "Data" => None,
                "Header" => Some(Kind::Heading),
                _ => Some(Kind::Note(Code::NoHolding, "a sum".to_owned())),
            };
        }
        let keys: Vec<String> = row.cells.iter().map(|cell| key(cell)).collect();
        if keys.iter().any(|key| key == "tradedate") && keys.iter().any(|key| key == "symbol") {
            self.section = Some("transactions".to_owned());
        }
        if let Some(section) = &self.section {
            return Some(Kind::Section(section.clone()));
        }
        (row.cells == self.heading.cells).then(|| Kind::Note(Code::NoHolding, "a heading".to_owned()))
    }

    /// Whether the next rows are the lots of this one.
    fn has_lots_below(&self, row: &Row, next: Option<&Row>) -> bool {
        let Some(next) = next else { return false };
        match self.format {
            Format::InteractiveBrokers => {
                let level = |row| self.cell(row, Field::Level);
                level(row) == "Summary"
                    && level(next) == "Lot"
                    && next.cells.first() == self.heading.cells.first()
            }
            Format::Etrade => date::parse(self.cell(next, Field::Symbol), Some(Order::MonthFirst)).is_ok(),
            _ => false,
        }
    }

    fn cell<'r>(&self, row: &'r Row, field: Field) -> &'r str {
        self.columns.place(field).and_then(|place| row.cells.get(place)).map_or("", String::as_str)
    }

    fn cell_of(&self, row: &'a Row, field: Field) -> Option<&'a str> {
        self.columns.place(field).and_then(|place| row.cells.get(place)).map(String::as_str)
    }
}

/// The day a report says it is of: above its heading, or below its rows.
fn as_of(table: &Table, known: &Known, today: NaiveDate) -> Option<NaiveDate> {
    let above = table.rows.iter().take(known.heading);
    let below = table.rows.iter().skip(known.heading + 1).rev().filter(|row| row.filled() <= 2).take(20);
    let says = |row: &&Row| {
        let text = row.cells.join(" ").to_ascii_lowercase();
        ["as of", "downloaded", "generated", "data period"].iter().any(|words| text.contains(words))
    };
    let days = above.chain(below).filter(says);
    days.filter_map(|row| date::within(&row.cells.join(" "), Order::MonthFirst)).find(|day| *day <= today)
}
