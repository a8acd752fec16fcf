//! Tables as lines that can be read alone: each value stands beside the name
//! of its column, so that a passage out of the middle says what it is about.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::Refused;
use super::paper::{Paper, one_line};

/// A row that is longer is told in several lines, each of which begins with its first value.
const LINE_CHARS_MAX: usize = 600;
/// Longest name of a column, in characters.
const NAME_CHARS_MAX: usize = 100;
/// Whole numbers between these name years as well as they count something.
const YEARS: std::ops::RangeInclusive<f64> = 1900.0..=2100.0;

/// A table whose rows come one after the other.
#[derive(Debug)]
pub(super) struct Table {
    /// What a column without a name is called.
    unnamed: fn(usize) -> String,
    names: Option<BTreeMap<usize, String>>,
    /// Rows below the header.
    rows: usize,
}

impl Table {
    pub(super) fn new(unnamed: fn(usize) -> String) -> Self {
        Self { unnamed, names: None, rows: 0 }
    }

    /// Writes the next row: columns, counted from 0, and their values. The
    /// first one is the header if it looks like one.
    pub(super) fn row(&mut self, paper: &mut Paper, cells: &[(usize, String)]) -> Result<(), Refused> {
        let cells: Vec<(usize, String)> = cells
            .iter()
            .map(|(column, value)| (*column, one_line(value)))
            .filter(|(_, value)| !value.is_empty())
            .collect();
        if cells.is_empty() {
            return Ok(());
        }
        let Some(names) = &self.names else {
            if cells.iter().all(|(_, value)| is_name(value)) {
                self.names =
                    Some(cells.into_iter().map(|(column, name)| (column, shortened(&name))).collect());
                return Ok(());
            }
            self.names = Some(BTreeMap::new());
            return self.row(paper, &cells);
        };
        let values: Vec<(String, String)> = cells
            .into_iter()
            .map(|(column, value)| {
                let name = names.get(&column).cloned().unwrap_or_else(|| (self.unnamed)(column));
                (name, value)
            })
            .collect();
        self.rows += 1;
        paper.items(&lines(&values))
    }

    /// A header without rows is all there is to tell.
    pub(super) fn end(self, paper: &mut Paper) -> Result<(), Refused> {
        match self.names {
            Some(names) if self.rows == 0 && !names.is_empty() => {
                let names: Vec<String> = names.into_values().collect();
                paper.items(&format!("- {}", names.join("; ")))
            }
            _ => Ok(()),
        }
    }
}

/// A row as one line of a list, or several if it is long.
pub(super) fn lines(cells: &[(String, String)]) -> String {
    let mut lines = String::new();
    let mut length = 0;
    for (position, (name, value)) in cells.iter().enumerate() {
        let cell = if name.is_empty() { value.clone() } else { format!("{name}: {value}") };
        let characters = cell.chars().count();
        if position == 0 {
            let _ = write!(lines, "- {cell}");
            length = characters;
            continue;
        }
        if length + characters > LINE_CHARS_MAX {
            let (name, value) = &cells[0];
            let value: String = value.chars().take(NAME_CHARS_MAX).collect();
            let first = if name.is_empty() { value } else { format!("{name}: {value}") };
            let _ = write!(lines, "\n- {first}");
            length = first.chars().count();
        }
        let _ = write!(lines, "; {cell}");
        length += characters;
    }
    lines.push('\n');
    lines
}

/// `A`, `B`, …, `AA`: what a spreadsheet calls its columns.
pub(super) fn letters(column: usize) -> String {
    let mut rest = column;
    let mut name = Vec::new();
    loop {
        name.push(b'A' + u8::try_from(rest % 26).unwrap_or_default());
        if rest < 26 {
            break;
        }
        rest = rest / 26 - 1;
    }
    name.reverse();
    String::from_utf8(name).unwrap_or_default()
}

/// `column 1` for the first one.
pub(super) fn numbered(column: usize) -> String {
    format!("column {}", column + 1)
}

/// Whether a value may name a column: anything but a number that is no year.
fn is_name(value: &str) -> bool {
    let bare: String = value.chars().filter(|letter| !",% €$£".contains(*letter)).collect();
    bare.parse::<f64>()
        .map_or(true, |number| number.fract() == 0.0 && YEARS.contains(&number) && bare == value)
}

fn shortened(name: &str) -> String {
    name.trim_end_matches(':').chars().take(NAME_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::Limits;

    fn told(rows: &[&[&str]]) -> String {
        let mut paper = Paper::new(Limits { characters: 10_000, pages: 1 });
        let mut table = Table::new(letters);
        for row in rows {
            let cells: Vec<_> = row.iter().map(|value| (*value).to_owned()).enumerate().collect();
            table.row(&mut paper, &cells).unwrap();
        }
        table.end(&mut paper).unwrap();
        paper.finish().unwrap()
    }

    #[test]
    fn every_value_stands_beside_its_column() {
        assert_eq!(
            told(&[
                &["Name", "2023", "Limit"],
                &["Equity", "1", " 5\n%"],
                &["", "", ""],
                &["Gold", "", "7", "x"]
            ]),
            "- Name: Equity; 2023: 1; Limit: 5 %\n- Name: Gold; Limit: 7; D: x"
        );
        assert_eq!(told(&[&["1", "2.5"], &["3", "4"]]), "- A: 1; B: 2.5\n- A: 3; B: 4");
        assert_eq!(told(&[&["Name", "Limit"]]), "- Name; Limit");
    }

    #[test]
    fn a_long_row_says_in_each_line_what_it_is_about() {
        let long = "x".repeat(400);
        let said = told(&[&["Id", "One", "Two"], &["K7", &long, &long]]);
        let lines: Vec<&str> = said.lines().collect();
        assert_eq!(lines.len(), 2, "{said}");
        assert!(
            lines[0].starts_with("- Id: K7; One: x") && lines[1].starts_with("- Id: K7; Two: x"),
            "{said}"
        );
    }

    #[test]
    fn columns_are_called_as_in_a_spreadsheet() {
        assert_eq!([0, 25, 26, 701, 702, 16_383].map(letters), ["A", "Z", "AA", "ZZ", "AAA", "XFD"]);
    }
}
