//! Documents of Word: headings, paragraphs, lists and tables.

mod styles;

use self::styles::{Styles, outline_level};
use super::archive::Archive;
use super::paper::{Paper, one_line};
use super::table::{Table, numbered};
use super::xml::{Node, Tag, Xml};
use super::{Document, FileType, Limits, Refused, office};

/// Tables within tables.
const TABLES_MAX: usize = 20;
/// What is no part of what a document says now: what was deleted or moved away, codes of
/// fields, and what is there a second time for older programs.
const LEFT_OUT: [&str; 8] =
    ["del", "moveFrom", "instrText", "delText", "Fallback", "pPrChange", "rPrChange", "tblPrChange"];

pub(super) fn read(bytes: &[u8], limits: Limits) -> Result<Document, Refused> {
    let mut archive = Archive::open(bytes, FileType::Docx.called())?;
    let main = office::main_part(&mut archive, FileType::Docx)?;
    let relations = office::relations(&mut archive, &main)?;
    let styles = match relations.only("styles") {
        Some(part) => Styles::read(&mut archive, part)?,
        None => Styles::default(),
    };
    let mut body = Body::new(&styles, limits);
    if !body.part(&mut archive, &main)? {
        return Err(Refused::because(format!("the file is damaged: it has no {main}")));
    }
    for (notes, heading) in [("footnotes", "Footnotes"), ("endnotes", "Endnotes")] {
        if let Some(part) = relations.only(notes) {
            body.heading_due = Some(heading);
            body.part(&mut archive, part)?;
        }
    }
    let title = office::title(&mut archive)?.or(body.title);
    Ok(Document { title, text: body.paper.finish()?, pages: None })
}

#[derive(Debug, Default)]
struct Paragraph {
    words: String,
    level: Option<usize>,
    is_title: bool,
    is_item: bool,
}

/// A table that is being read.
struct Grid {
    told: Table,
    row: Vec<(usize, String)>,
    column: usize,
    span: usize,
    cell: String,
}

/// What is read of a document.
struct Body<'a> {
    styles: &'a Styles,
    paper: Paper,
    title: Option<String>,
    /// Stands before the next paragraph, if there is one.
    heading_due: Option<&'static str>,
    /// Those that are open: a text box stands within a paragraph.
    paragraphs: Vec<Paragraph>,
    tables: Vec<Grid>,
    in_words: bool,
    in_properties: bool,
    /// How many elements are open since one that is left out.
    left_out: usize,
}

impl<'a> Body<'a> {
    fn new(styles: &'a Styles, limits: Limits) -> Self {
        Self {
            styles,
            paper: Paper::new(limits),
            title: None,
            heading_due: None,
            paragraphs: Vec::new(),
            tables: Vec::new(),
            in_words: false,
            in_properties: false,
            left_out: 0,
        }
    }

    /// Reads a part; whether there is one.
    fn part(&mut self, archive: &mut Archive<'_>, name: &str) -> Result<bool, Refused> {
        let meter = archive.meter();
        let Some(part) = archive.part(name)? else { return Ok(false) };
        let mut xml = Xml::new(part, meter, name);
        loop {
            match xml.next()? {
                Node::End => return Ok(true),
                Node::Open(_) if self.left_out > 0 => self.left_out += 1,
                Node::Close(_) if self.left_out > 0 => self.left_out -= 1,
                Node::Open(tag) => self.open(&tag)?,
                Node::Close(name) => self.close(name)?,
                Node::Text(words) if self.in_words && self.left_out == 0 => self.say(&words),
                _ => {}
            }
        }
    }

    fn say(&mut self, words: &str) {
        if let Some(paragraph) = self.paragraphs.last_mut() {
            paragraph.words.push_str(words);
        }
    }

    fn open(&mut self, tag: &Tag<'_>) -> Result<(), Refused> {
        match tag.name() {
            name if LEFT_OUT.contains(&name) => self.left_out = 1,
            "p" => self.paragraphs.push(Paragraph::default()),
            "pPr" => self.in_properties = true,
            "t" => self.in_words = true,
            "tab" if !self.in_properties => self.say(" "),
            "br" | "cr" => self.say("\n"),
            "noBreakHyphen" => self.say("-"),
            "tbl" if self.tables.len() == TABLES_MAX => {
                return Err(Refused::because(format!("more than {TABLES_MAX} tables lie within each other")));
            }
            "tbl" => self.tables.push(Grid {
                told: Table::new(numbered),
                row: Vec::new(),
                column: 0,
                span: 1,
                cell: String::new(),
            }),
            name => self.property(name, tag),
        }
        Ok(())
    }

    fn property(&mut self, name: &str, tag: &Tag<'_>) {
        let value = || tag.get("val").unwrap_or_default();
        if name == "gridSpan" {
            if let Some(grid) = self.tables.last_mut() {
                grid.span = value().parse().unwrap_or(1);
            }
            return;
        }
        let Some(paragraph) = self.paragraphs.last_mut().filter(|_| self.in_properties) else { return };
        match name {
            "pStyle" => {
                let (level, is_title) = self.styles.of(&value());
                paragraph.level = paragraph.level.or(level);
                paragraph.is_title = is_title;
            }
            "outlineLvl" => paragraph.level = outline_level(&value()),
            "numId" => paragraph.is_item = value() != "0",
            _ => {}
        }
    }

    fn close(&mut self, name: &str) -> Result<(), Refused> {
        match name {
            "t" => self.in_words = false,
            "pPr" => self.in_properties = false,
            "p" => {
                if let Some(paragraph) = self.paragraphs.pop() {
                    self.paragraph(&paragraph)?;
                }
            }
            "tc" => {
                if let Some(grid) = self.tables.last_mut() {
                    grid.row.push((grid.column, std::mem::take(&mut grid.cell)));
                    grid.column = grid.column.saturating_add(grid.span.max(1));
                    grid.span = 1;
                }
            }
            "tr" => self.row()?,
            "tbl" => {
                if let Some(grid) = self.tables.pop()
                    && self.tables.is_empty()
                {
                    grid.told.end(&mut self.paper)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn paragraph(&mut self, paragraph: &Paragraph) -> Result<(), Refused> {
        let words = paragraph.words.trim();
        if words.is_empty() {
            return Ok(());
        }
        if let Some(grid) = self.tables.last_mut() {
            grid.cell.push_str(words);
            grid.cell.push('\n');
            return Ok(());
        }
        if let Some(heading) = self.heading_due.take() {
            self.paper.heading(1, heading)?;
        }
        if paragraph.is_title && self.title.is_none() {
            self.title = Some(words.to_owned());
        }
        match paragraph.level {
            Some(level) => self.paper.heading(level, words),
            None if paragraph.is_item => self.paper.items(&format!("- {}", one_line(words))),
            None => self.paper.plain(words),
        }
    }

    fn row(&mut self) -> Result<(), Refused> {
        let Some(grid) = self.tables.last_mut() else { return Ok(()) };
        grid.column = 0;
        let row = std::mem::take(&mut grid.row);
        let depth = self.tables.len();
        if depth > 1 {
            // A table within a cell is part of what the cell says.
            let cells: Vec<&str> = row.iter().map(|(_, cell)| cell.trim()).collect();
            let outer = &mut self.tables[depth - 2].cell;
            outer.push_str(&cells.join(", "));
            outer.push_str("; ");
            return Ok(());
        }
        match &row[..] {
            // A frame around words, or a line across the table.
            [(_, words)] => self.paper.plain(words.trim()),
            _ => self.tables[0].told.row(&mut self.paper, &row),
        }
    }
}
