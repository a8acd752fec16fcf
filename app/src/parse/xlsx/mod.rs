//! Workbooks of Excel: each sheet under its name, each row with the names of its columns.

mod formats;

use self::formats::Formats;
use super::archive::Archive;
use super::paper::Paper;
use super::table::{Table, letters};
use super::xml::{Node, Tag, Xml};
use super::{Document, FileType, Limits, Refused, office};

/// Most columns of a sheet, as many as Excel has.
const COLUMNS_MAX: usize = 16_384;
/// Most sheets.
const SHEETS_MAX: usize = 1_000;

pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let mut archive = Archive::open(bytes, FileType::Xlsx.called())?;
    let main = office::main_part(&mut archive, FileType::Xlsx)?;
    let relations = office::relations(&mut archive, &main)?;
    let (sheets, mut formats) = workbook(&mut archive, &main)?;
    if let Some(part) = relations.only("styles") {
        formats.read(&mut archive, part)?;
    }
    let shared = match relations.only("sharedStrings") {
        Some(part) => Shared::read(&mut archive, part, limits)?,
        None => Shared::default(),
    };
    let mut paper = Paper::new(limits);
    for (name, id) in sheets {
        // A chart has no cells.
        let Some(part) = relations.part(&id, "worksheet") else { continue };
        Sheet { name: Some(name), in_table: false, shared: &shared, formats: &formats, cells: Vec::new() }
            .read(&mut archive, part, &mut paper)?;
    }
    Ok(Document { title: office::title(&mut archive)?, text: paper.finish()?, pages: None })
}

/// Names and ids of the sheets that are not hidden, and how days are counted.
fn workbook(archive: &mut Archive<'_>, part: &str) -> Result<(Vec<(String, String)>, Formats), Refused> {
    let meter = archive.meter();
    let Some(reader) = archive.part(part)? else {
        return Err(Refused::because(format!("the file is damaged: it has no {part}")));
    };
    let mut xml = Xml::new(reader, meter, part);
    let mut sheets = Vec::new();
    let mut from_1904 = false;
    loop {
        match xml.next()? {
            Node::End => return Ok((sheets, Formats::new(from_1904))),
            Node::Open(tag) if tag.name() == "workbookPr" => {
                from_1904 = tag.get("date1904").is_some_and(|value| value == "1" || value == "true");
            }
            Node::Open(tag) if tag.name() == "sheet" => {
                let is_hidden = tag.get("state").is_some_and(|state| state != "visible");
                if let (Some(name), Some(id), false) = (tag.get("name"), tag.get("id"), is_hidden) {
                    sheets.push((name, id));
                }
                if sheets.len() > SHEETS_MAX {
                    return Err(Refused::because(format!("the workbook has more than {SHEETS_MAX} sheets")));
                }
            }
            _ => {}
        }
    }
}

/// The texts that cells share, one after the other.
#[derive(Debug, Default)]
struct Shared {
    text: String,
    ends: Vec<usize>,
}

impl Shared {
    fn read(archive: &mut Archive<'_>, part: &str, limits: Limits) -> Result<Self, Refused> {
        let mut shared = Self::default();
        let meter = archive.meter();
        let Some(reader) = archive.part(part)? else { return Ok(shared) };
        let mut xml = Xml::new(reader, meter, part);
        let (mut inside, mut sounds) = (false, false);
        loop {
            match xml.next()? {
                Node::End => return Ok(shared),
                Node::Open(tag) => match tag.name() {
                    "t" => inside = true,
                    // How words of Japanese sound.
                    "rPh" => sounds = true,
                    _ => {}
                },
                Node::Close(name) => match name {
                    "t" => inside = false,
                    "rPh" => sounds = false,
                    "si" => shared.ends.push(shared.text.len()),
                    _ => {}
                },
                Node::Text(words) if inside && !sounds => {
                    shared.text.push_str(&words);
                    if shared.text.len() > limits.characters.saturating_mul(4) {
                        return Err(Refused::too_long(limits));
                    }
                }
                _ => {}
            }
        }
    }

    fn get(&self, number: &str) -> Option<&str> {
        let number: usize = number.trim().parse().ok()?;
        let start = number.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        self.text.get(start..*self.ends.get(number)?)
    }
}

/// A cell that is being read.
#[derive(Default)]
struct Cell {
    column: usize,
    kind: String,
    style: Option<u32>,
    words: String,
    /// Whether what follows is its value.
    inside: bool,
}

struct Sheet<'a> {
    /// Stands above its first row.
    name: Option<String>,
    /// Whether the table has begun.
    in_table: bool,
    shared: &'a Shared,
    formats: &'a Formats,
    cells: Vec<(usize, String)>,
}

impl Sheet<'_> {
    fn read(mut self, archive: &mut Archive<'_>, part: &str, paper: &mut Paper) -> Result<(), Refused> {
        let meter = archive.meter();
        let Some(reader) = archive.part(part)? else {
            return Err(Refused::because(format!("the file is damaged: it has no {part}")));
        };
        let mut xml = Xml::new(reader, meter, part);
        let mut table = Table::new(letters);
        let mut cell = Cell::default();
        let mut next_column = 0;
        loop {
            match xml.next()? {
                Node::End => return table.end(paper),
                Node::Open(tag) => match tag.name() {
                    "row" => {
                        self.cells.clear();
                        next_column = 0;
                    }
                    "c" => cell = begin(&tag, next_column)?,
                    "v" | "t" => cell.inside = true,
                    _ => {}
                },
                Node::Text(words) if cell.inside => cell.words.push_str(&words),
                Node::Close(name) => match name {
                    "v" | "t" => cell.inside = false,
                    "c" => {
                        next_column = cell.column + 1;
                        let words = self.value(&cell);
                        if !words.trim().is_empty() {
                            self.cells.push((cell.column, words));
                        }
                    }
                    "row" => self.row(paper, &mut table)?,
                    _ => {}
                },
                Node::Text(_) | Node::Other => {}
            }
        }
    }

    /// Writes the row that was read, if there is anything in it.
    fn row(&mut self, paper: &mut Paper, table: &mut Table) -> Result<(), Refused> {
        if self.cells.is_empty() {
            return Ok(());
        }
        if let Some(name) = self.name.take() {
            paper.heading(1, &name)?;
        }
        // What stands alone above a table is its title.
        if !self.in_table && self.cells.len() == 1 {
            return paper.plain(&self.cells[0].1);
        }
        self.in_table = true;
        table.row(paper, &self.cells)
    }

    fn value(&self, cell: &Cell) -> String {
        match cell.kind.as_str() {
            "s" => self.shared.get(&cell.words).unwrap_or_default().to_owned(),
            "b" => if cell.words.trim() == "1" { "TRUE" } else { "FALSE" }.to_owned(),
            "" | "n" => self.formats.shown(cell.words.trim(), cell.style),
            _ => cell.words.clone(),
        }
    }
}

fn begin(tag: &Tag<'_>, next_column: usize) -> Result<Cell, Refused> {
    let column = match tag.get("r") {
        Some(place) => column_of(&place).ok_or_else(|| {
            let place: String = place.chars().take(30).collect();
            Refused::because(format!("the file is damaged: a sheet has no cell {place:?}"))
        })?,
        None => next_column,
    };
    if column >= COLUMNS_MAX {
        return Err(Refused::because(format!("a sheet has more than {COLUMNS_MAX} columns")));
    }
    let (kind, style) = (tag.get("t").unwrap_or_default(), tag.number("s"));
    Ok(Cell { column, kind, style, ..Default::default() })
}

/// The column of a place such as `BC12`, counted from 0.
fn column_of(place: &str) -> Option<usize> {
    let letters: &str = place.trim_end_matches(|letter: char| letter.is_ascii_digit());
    if letters.is_empty() || letters.len() > 6 || letters.len() == place.len() {
        return None;
    }
    letters
        .bytes()
        .try_fold(0_usize, |column, letter| {
            let digit = letter.to_ascii_uppercase().checked_sub(b'A').filter(|digit| *digit < 26)?;
            Some(column * 26 + usize::from(digit) + 1)
        })?
        .checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_columns() {
        for (place, column) in [("A1", Some(0)), ("Z9", Some(25)), ("AA10", Some(26)), ("XFD1", Some(16_383))]
        {
            assert_eq!(column_of(place), column, "{place}");
        }
        for wrong in ["", "A", "12", "A-1", "Ä1", "AAAAAAA1"] {
            assert_eq!(column_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn shared_texts_are_found_by_number() {
        let shared = Shared { text: "onetwo".to_owned(), ends: vec![3, 3, 6] };
        assert_eq!([shared.get("0"), shared.get("1"), shared.get("2")], [Some("one"), Some(""), Some("two")]);
        assert_eq!([shared.get("3"), shared.get("x"), shared.get("-1")], [None; 3]);
    }
}
